"""Tables for a terminal: names are never broken, however narrow it is."""

GAP = 2
INDENT = 2  # of figures below a name that has a line of its own


def lines(titles, rows, width, texts=(0,)):
    """The table as lines; the columns `texts` are flush left, the others right.

    What does not fit beside the names of the first column goes below them, and what does not fit
    there into a second table of the same rows.
    """
    rows = [[str(cell) for cell in row] for row in rows]
    sizes = [max(map(len, column)) for column in zip(titles, *rows)]
    aligned = [[cell.ljust(n) if i in texts else cell.rjust(n)
                for i, (cell, n) in enumerate(zip(row, sizes))] for row in (titles, *rows)]
    beside, below = (_blocks(sizes, lead, width) for lead in (sizes[0], INDENT - GAP))
    stacked = len(beside) > 1 and (len(below) == 1 or sizes[0] > width // 2)
    found = []
    for block in below if stacked else beside:
        found += [""] if found else []
        for i, row in enumerate(aligned):
            figures = [row[j] for j in block]
            if stacked:
                found.append(row[0].rstrip())
                figures.insert(0, " " * (INDENT - GAP))
            else:
                figures.insert(0, row[0])
            found.append((" " * GAP).join(figures).rstrip())
            if i == 0:
                found.append("-" * min(width, len(found[-1])))
    return found


def _blocks(sizes, lead, width):
    """The columns after the first as lists that fit; lead: what stands before each list."""
    found, used = [[]], lead
    for j, size in enumerate(sizes[1:], 1):
        if found[-1] and used + GAP + size > width:
            found.append([])
            used = lead
        found[-1].append(j)
        used += GAP + size
    return found
