"""docs/tested.md: what was run where, from what the tests of a run have recorded."""
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "tested.md"
COLUMNS = ("native", "viper", "python", "golden")  # after the names of board and firmware


def rows(page):
    """{board: [firmware, *numbers of COLUMNS]} of the page's table, as text."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in page.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in cells}


def updated(page, ran):
    """The page with the rows of the boards that ran; ran: (board, firmware, column, number)."""
    table = rows(page)
    for name, *_ in ran:
        table[name] = ["", *[""] * len(COLUMNS)]
    for name, firmware, column, number in ran:
        table[name][0] = firmware
        table[name][1 + COLUMNS.index(column)] = f"{number:,}"
    before, _, rest = page.partition("\n| `")
    after = rest.partition("\n\n")[2]
    lines = [f"| `{name}` | " + " | ".join(row) + " |" for name, row in table.items()]
    return before + "\n" + "\n".join(lines) + "\n\n" + after
