#!/usr/bin/env python3
"""fix_object.py FILE.o: LLVM's Xtensa object becomes one that MicroPython's mpy_ld.py links.

* l32r: mpy_ld adds the distance to what is in the instruction; LLVM leaves a rest there, -1, GNU
  as 0.
* A literal that points into a section: LLVM has the offset in the relocation, GNU as in the data,
  and mpy_ld looks there.
* Constants with addresses in them are to be in .data.rel.ro, not in .rodata.
* mpy_ld takes literals for the same that have the same section name and offset, in whatever file:
  so the sections get the file's name too.
"""
import struct
import sys

EM_XTENSA, SHT_RELA, STT_SECTION, R_XTENSA_SLOT0_OP, L32R = 94, 4, 3, 20, 1
LOADED = (".text", ".rodata", ".data.rel.ro", ".bss")


def fix(path):
    with open(path, "rb") as f:
        elf = bytearray(f.read())
    if elf[:6] != b"\x7fELF\1\1" or struct.unpack_from("<H", elf, 18) != (EM_XTENSA,):
        sys.exit(f"{path}: not an Xtensa object")
    (table,) = struct.unpack_from("<I", elf, 32)
    count, strings = struct.unpack_from("<HH", elf, 48)
    # name, type, flags, address, offset, size, link, info, alignment, entry size
    sections = [struct.unpack_from("<10I", elf, table + 40 * i) for i in range(count)]
    start, size = sections[strings][4:6]
    text = elf[start : start + size]
    names = [text[s[0] : text.index(0, s[0])].decode() for s in sections]
    if sum(n.startswith(".literal") and s[5] > 0 for n, s in zip(names, sections)) > 1:
        sys.exit(f"{path}: mpy_ld takes one .literal section only: no -ffunction-sections")
    new_names = {i: n for i, n in enumerate(names) if n.startswith(LOADED)}

    for _, kind, _, _, start, size, link, target, _, _ in sections:
        if kind != SHT_RELA or not names[target].startswith((*LOADED, ".literal")):
            continue
        name = names[target]
        if name.startswith(".rodata"):
            new_names[target] = name.replace(".rodata", ".data.rel.ro", 1)
        for at in range(start, start + size, 12):
            offset, info, addend = struct.unpack_from("<IIi", elf, at)
            place = sections[target][4] + offset
            symbol = sections[link][4] + 16 * (info >> 8)
            _, _, _, symbol_kind, _, section = struct.unpack_from("<IIIBBH", elf, symbol)
            if name.startswith(".text"):
                to_literal = 0 < section < count and names[section].startswith(".literal")
                if info & 255 != R_XTENSA_SLOT0_OP or not to_literal or elf[place] & 15 != L32R:
                    sys.exit(f"{path}: {offset:#x} of {name}: a relocation that is no l32r")
                elf[place + 1 : place + 3] = b"\0\0"
            elif name.startswith(".literal") and addend:
                if symbol_kind & 15 != STT_SECTION:
                    sys.exit(f"{path}: mpy_ld would lose the {addend} of a symbol + {addend}")
                (value,) = struct.unpack_from("<I", elf, place)
                struct.pack_into("<I", elf, place, value + addend)
                struct.pack_into("<i", elf, at + 8, 0)

    for i, name in new_names.items():
        struct.pack_into("<I", elf, table + 40 * i, len(text))
        text += f"{name}:{path}\0".encode()
    struct.pack_into("<II", elf, table + 40 * strings + 16, len(elf), len(text))
    with open(path, "wb") as f:
        f.write(elf + text)


fix(sys.argv[1])
