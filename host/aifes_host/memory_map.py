"""The arena over time: which tensor lies where while which op runs; as text, PNG or SVG."""
from dataclasses import dataclass
from math import ceil

from aifes.format import nbytes
from aifes.ops import NAMES
from aifes.quantizer.parts import parts

from .turns import groups, strips, turns

BESIDE = 5  # ops whose names have room side by side


@dataclass
class Block:
    """A tensor in the arena: bytes [offset, offset + length) while ops first..last run.

    rows: so many of its all_rows are there at a time; 0: it is there as a whole. Of ops that take
    turns all run from the first to the last, and Blocks may share bytes: of one go rows where those
    of another come.
    """

    name: str
    offset: int
    length: int
    first: int
    last: int
    rows: int = 0
    all_rows: int = 0

    @property
    def size(self):
        """For people."""
        rows = f", {self.rows} of {self.all_rows} rows" if self.rows else ""
        return f"{self.length:,} B{rows}"


def in_turns(plan):
    """Whether ops of a Plan take turns."""
    return any(t.rows for t in plan.tensors)


def blocks(plan):
    """The Blocks of a Plan; a result computed in place extends the block it overwrites."""
    if in_turns(plan):
        return [block for block, _ in _of_turns(plan).values()]
    n, steps = plan.n_inputs, len(plan.ops)
    wholes = parts(plan)

    def made(tensors):
        """The tensors that somebody writes: parts in the place of what they make."""
        return [part for k in tensors for part in wholes.get(k, (k,))]

    reads = [made(op.inputs) for op in plan.ops]
    until = {k: i for i, xs in enumerate(reads) for k in xs}
    until.update({k: steps - 1 for k in made(range(n, n + plan.n_outputs))})
    found, of = [], {}
    for k in range(n):
        t = plan.tensors[k]
        name = "input" if n == 1 else f"input {k}"
        of[k] = Block(name, t.offset, nbytes(t), 0, until.get(k, 0))
        found.append(of[k])
    for i, op in enumerate(plan.ops):
        for k in op.outputs:
            t = plan.tensors[k]
            same = next((of[x] for x in reads[i] if plan.tensors[x].offset == t.offset
                         and nbytes(plan.tensors[x]) == nbytes(t)), None)
            if same is None:
                for x in reads[i]:  # parts, in place of which it lies
                    if t.offset <= of[x].offset < t.offset + nbytes(t):
                        of[x].last = i - 1
                what = NAMES[op.opcode] if k == op.outputs[0] else "scratch"
                same = Block(f"{what} {i}", t.offset, nbytes(t), i, i)
                found.append(same)
            same.last = max(same.last, until.get(k, i))
            of[k] = same
    return found


def _of_turns(plan):
    """{tensor: (Block, its strips)} of a Plan whose ops take turns."""
    n, made = plan.n_inputs, {}
    names = {k: "input" if n == 1 else f"input {k}" for k in range(n)}
    for i, op in enumerate(plan.ops):
        names.update({k: f"{NAMES[op.opcode] if k == op.outputs[0] else 'scratch'} {i}"
                      for k in op.outputs})
    for k, found in strips(plan).items():
        t = plan.tensors[k]
        rows = (t.rows, t.shape[0]) if t.rows else (0, 0)
        made[k] = Block(names[k], t.offset, nbytes(t), int(found[0][0][0]),
                        ceil(found[-1][-1][1]) - 1, *rows), found
    for first, end in groups(plan):
        for block, _ in made.values():
            if first <= block.first < end:
                block.first = first
            if first <= block.last < end:
                block.last = end - 1
    return made


def areas(plan):
    """[(Block, [[(from, to, low, high), ..], ..])]: what each fills, as strips() has it."""
    if in_turns(plan):
        return list(_of_turns(plan).values())
    return [(b, [[(b.first, b.last + 1, b.offset, b.offset + b.length)]]) for b in blocks(plan)]


def lower_bound(plan):
    """The largest sum of tensors, or of rows of them, that are needed at once, in bytes."""
    if in_turns(plan):
        return max(turn.least for turn in turns(plan))
    found = blocks(plan)
    return max(sum(b.length for b in found if b.first <= i <= b.last)
               for i in range(len(plan.ops)))


def letter(i):
    """A, B, .. Z, A1, B1, .. for the block of this number."""
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i % 26] + (str(i // 26) if i >= 26 else "")


def draw_text(plan, width=48):
    """One line an op: its name and the arena from 0 to its end, a letter for each tensor. Of ops
    that take turns it is drawn as it is when the op computes the middle one of its rows."""
    lines, n = [], len(plan.ops)
    if in_turns(plan):
        made, numbers = turns(plan), {k: j for j, k in enumerate(_of_turns(plan))}
        of = [[turn for turn in made if turn.op == i] for i in range(n)]
        there = [[(numbers[k], *bytes_) for k, bytes_ in own[len(own) // 2].bytes.items()]
                 for own in of]
    else:
        there = [[(j, b.offset, b.offset + b.length) for j, b in enumerate(blocks(plan))
                  if b.first <= i <= b.last] for i in range(n)]
    for i, op in enumerate(plan.ops):
        row = ["·"] * width
        for j, low, high in there[i]:
            start = low * width // plan.arena
            end = max(start + 1, -(-high * width // plan.arena))
            row[start:end] = letter(j)[0] * len(row[start:end])
        lines.append((f"{i} {NAMES[op.opcode]}", "".join(row)))
    return lines


def draw_picture(plan, path, title, description=None):
    """Write the map as PNG or SVG, by the suffix of path, a description into its metadata."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    found, steps = areas(plan), len(plan.ops)
    # too many for names side by side: letters, explained in a legend
    wide = steps > BESIDE or in_turns(plan)
    figure, axes = plt.subplots(figsize=(min(7 + steps / 6, 14) if wide else 7, 4),
                                layout="constrained")
    colors = plt.get_cmap("tab10").colors
    for i, (b, drawn) in enumerate(found):
        for strip in drawn:
            corners = outline(strip)
            axes.fill(*zip(*corners), facecolor=colors[i % 10], alpha=0.85,
                      lw=0.5 if in_turns(plan) else 1, edgecolor="white",
                      hatch="////" if b.rows else None)
        said = letter(i) if wide else f"{b.name}\n{b.length} B"
        x, y, wide_there, high_there = middle(drawn)
        if not in_turns(plan) or wide_there * 40 > steps and high_there * 26 > plan.arena:
            axes.text(x, y, said, ha="center", va="center", fontsize=8)
    axes.set(xlim=(0, steps), ylim=(0, plan.arena), ylabel="arena offset in bytes",
             title=f"{title}: arena of {plan.arena} bytes")
    together = groups(plan)
    together = together[::-(-len(together) // 20)]
    axes.set_xticks([(first + end) / 2 for first, end in together],
                    [f"{first}" + (f"–{end - 1}" if end > first + 1 else "") if wide
                     else f"{first}: {NAMES[plan.ops[first].opcode]}" for first, end in together])
    axes.tick_params(axis="x", length=0)
    if wide:
        axes.set_xlabel("operation; those of a range take turns, row by row" if in_turns(plan)
                        else "operation")
        handles = [plt.Line2D([], [], color=colors[i % 10], marker=f"${letter(i)}$", ls="",
                              markersize=7 if i < 26 else 12, label=f"{b.name}: {b.size}")
                   for i, (b, _) in enumerate(found)]
        figure.legend(handles=handles, loc="outside right upper", fontsize=7,
                      ncols=-(-len(found) // 24), frameon=False)
    figure.savefig(path, dpi=150, metadata={"Description": description} if description else None)
    plt.close(figure)


def outline(strip):
    """Corners (x, y) of a list of (from, to, low, high) that goes on without a gap."""
    above = [(x, high) for start, end, _, high in strip for x in (start, end)]
    below = [(x, low) for start, end, low, _ in strip for x in (start, end)]
    return above + below[::-1]


def middle(drawn):
    """(x, y, width, height) of a place for a name: in the longest strip."""
    strip = max(drawn, key=lambda strip: strip[-1][1] - strip[0][0])
    start, end = strip[0][0], strip[-1][1]
    at = (start + end) / 2
    _, _, low, high = next(part for part in strip if part[1] >= at)
    return at, (low + high) / 2, end - start, high - low
