#!/usr/bin/env python3
"""calls.py: LLVM's assembly for Xtensa, from stdin to stdout, with calls of the file's own functions
in one instruction, `call8`: LLVM loads their addresses, each from a literal of its own, 10 bytes.
"""
import re
import sys

lines = sys.stdin.read().splitlines()
functions = {m[1] for line in lines if (m := re.match(r"\t\.type\t(\w+),@function", line))}
literals = {m[1]: m[2] for line in lines
            if (m := re.match(r"\t\.literal (\.\w+), (\w+)$", line)) and m[2] in functions}
for i, line in enumerate(lines):
    # what is in a8 .. a15 is lost in the call: nobody else needs the address
    call = re.match(r"\tcallx8\t(a8|a9|a1\d)$", line)
    k = i
    while call and k:
        k -= 1
        words = lines[k].split()
        if not words or re.match(r"\S|\t(b|j|call|loop|ret)", lines[k]):
            break  # a label, a jump: it may be that of other ways, too
        if words[1:] and words[1] == call[1] + ",":
            if words[0] == "l32r" and words[2] in literals:
                lines[k], lines[i] = "", "\tcall8\t" + literals[words[2]]
            break
        if call[1] in re.findall(r"\ba\d+\b", lines[k]):
            break
used = {name for line in lines if "\tl32r\t" in line for name in re.findall(r"\.LCPI\w+", line)}
for line in lines:
    name = re.match(r"\t\.literal (\.\w+)", line)
    if line and not (name and name[1] in literals and name[1] not in used):
        print(line)
