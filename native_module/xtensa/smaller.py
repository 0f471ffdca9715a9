#!/usr/bin/env python3
"""smaller.py: LLVM's assembly for Xtensa, from stdin to stdout, smaller.

* Calls of the file's own functions are one instruction, `call8`: LLVM loads their addresses, each
  from a literal of its own, 10 bytes.
* Tests for 0 that go forward by a few instructions have 16 bits.
* Where a branch does not reach its target, LLVM lets the opposite one go around a jump. If such a
  jump is near, the branch goes there.
"""
import re
import sys

FAR = 120  # bytes that branches surely reach
NARROW = 65  # bytes that a narrow test skips
OPPOSITE = {}
for pair in ("beq bne", "blt bge", "bltu bgeu", "beqi bnei", "blti bgei", "bltui bgeui",
             "bbci bbsi", "ball bnall", "bany bnone", "bbc bbs"):
    a, b = pair.split()
    OPPOSITE[a], OPPOSITE[b] = b, a

def words(line):
    return re.findall(r"[^\s,]+", line)


lines = [re.sub(r"\s+#.*", "", line) for line in sys.stdin.read().splitlines()]
lines = [line for line in lines if line]
functions = {m[1] for line in lines if (m := re.match(r"\t\.type\t(\w+),@function", line))}
functions -= {words(line)[1] for line in lines if re.match(r"\t\.glob[a]?l\t", line)}
literals = {m[1]: m[2] for line in lines
            if (m := re.match(r"\t\.literal (\.\w+), (\w+)$", line)) and m[2] in functions}


def size(line):
    """In bytes, at most."""
    if not line or line.endswith(":") or line.startswith(("\t.", ".")):
        return 0
    return 2 if words(line)[0].endswith(".n") else 3


def call(i):
    """callx8 in line i, of what was loaded just for it"""
    register = words(lines[i])[1]
    for k in range(i - 1, -1, -1):
        before = words(lines[k])
        if before[:2] == ["l32r", register] and before[2] in literals:
            lines[k], lines[i] = "", "\tcall8\t" + literals[before[2]]
        # a label, or a jump: other ways may lead here, or from here
        if register in before or re.match(r"\S|\t(b|j|call|loop|ret)", lines[k]):
            return


for i, line in enumerate(lines):
    if re.match(r"\tcallx8\t(a8|a9|a1\d)$", line):  # these are lost in a call anyway
        call(i)
lines = [line for line in lines if line]
for i, line in enumerate(lines):
    if re.match(r"\t(beqz|bnez)\t", line):
        name, register, to = words(line)
        skipped, k = 0, i + 1
        while skipped <= NARROW and k < len(lines) and lines[k] != to + ":":
            skipped += NARROW + 1 if lines[k].startswith("\t.") else size(lines[k])
            k += 1
        if 0 < skipped <= NARROW:
            lines[i] = f"\t{name}.n\t{register}, {to}"
at, jumps = 0, {}  # {target: (where a jump to it is, its label)}
for i, line in enumerate(lines):
    branch = words(line) or [""]
    if branch[0] in OPPOSITE and lines[i + 1].startswith("\tj\t") and (
            lines[i + 2] == branch[-1] + ":"):
        to = words(lines[i + 1])[1]
        if to in jumps and at - jumps[to][0] < FAR:
            operands = ", ".join([*branch[1:-1], jumps[to][1]])
            lines[i], lines[i + 1] = f"\t{OPPOSITE[branch[0]]}\t{operands}", ""
        else:
            jumps[to] = at, f".Lnear{i}"
            lines[i + 1] = f".Lnear{i}:\n{lines[i + 1]}"
            at += 3
    at += size(lines[i])
used = {words(line)[2] for line in lines if line.startswith("\tl32r\t")}
for line in lines:
    literal = re.match(r"\t\.literal (\.\w+),", line)
    if line and not (literal and literal[1] in literals and literal[1] not in used):
        print(line)
