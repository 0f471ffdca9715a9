"""The arena over time: which tensor lies where while which op runs; as text, PNG or SVG."""
from dataclasses import dataclass

from aifes.format import nbytes
from aifes.ops import NAMES
from aifes.quantizer.parts import parts

BESIDE = 5  # ops whose names have room side by side


@dataclass
class Block:
    """A tensor in the arena: bytes [offset, offset + length) while ops first..last run."""

    name: str
    offset: int
    length: int
    first: int
    last: int


def blocks(plan):
    """The Blocks of a Plan; a result computed in place extends the block it overwrites."""
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


def lower_bound(plan):
    """The largest sum of tensors that are needed at once, in bytes."""
    found = blocks(plan)
    return max(sum(b.length for b in found if b.first <= i <= b.last)
               for i in range(len(plan.ops)))


def letter(i):
    """A, B, .. Z, A1, B1, .. for the block of this number."""
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i % 26] + (str(i // 26) if i >= 26 else "")


def draw_text(plan, width=48):
    """One line an op: its name and the arena from 0 to its end, a letter for each tensor."""
    found = blocks(plan)
    lines = []
    for i, op in enumerate(plan.ops):
        row = ["·"] * width
        for letter, b in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ" * len(found), found):
            if b.first <= i <= b.last:
                start = b.offset * width // plan.arena
                end = max(start + 1, -(-(b.offset + b.length) * width // plan.arena))
                row[start:end] = [letter] * len(row[start:end])
        lines.append((f"{i} {NAMES[op.opcode]}", "".join(row)))
    return lines


def draw_picture(plan, path, title):
    """Write the map as PNG or SVG, by the suffix of path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    found, steps = blocks(plan), len(plan.ops)
    wide = steps > BESIDE  # too many for names side by side: letters, explained in a legend
    figure, axes = plt.subplots(figsize=(min(7 + steps / 6, 14) if wide else 7, 4),
                                layout="constrained")
    colors = plt.get_cmap("tab10").colors
    for i, b in enumerate(found):
        axes.broken_barh([(b.first, b.last - b.first + 1)], (b.offset, b.length),
                         facecolor=colors[i % 10], edgecolor="white", alpha=0.85)
        said = letter(i) if wide else f"{b.name}\n{b.length} B"
        axes.text((b.first + b.last + 1) / 2, b.offset + b.length / 2, said, ha="center",
                  va="center", fontsize=8)
    axes.set(xlim=(0, steps), ylim=(0, plan.arena), ylabel="arena offset in bytes",
             title=f"{title}: arena of {plan.arena} bytes")
    numbers = range(0, steps, -(-steps // 20))
    axes.set_xticks([i + 0.5 for i in numbers],
                    [i if wide else f"{i}: {NAMES[plan.ops[i].opcode]}" for i in numbers])
    axes.tick_params(axis="x", length=0)
    if wide:
        axes.set_xlabel("operation")
        handles = [plt.Line2D([], [], color=colors[i % 10], marker=f"${letter(i)}$", ls="",
                              markersize=7 if i < 26 else 12, label=f"{b.name}: {b.length} B")
                   for i, b in enumerate(found)]
        figure.legend(handles=handles, loc="outside right upper", fontsize=7,
                      ncols=-(-len(found) // 24), frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
