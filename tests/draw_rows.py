"""Draw docs/rows.png: the arena of a net for digits whose ops take turns (tests/bench/cnn.py)."""
from pathlib import Path
from zlib import crc32

from aifes.format import decode
from aifes_host import memory_map
from aifes_host.layout import by_rows
from bench import cnn

PICTURE = Path(__file__).parents[1] / "docs" / "rows.png"


def plan():
    return decode(by_rows(cnn.network("mnist", (1, 1))[0]))


def facts():
    """What the picture shows, in a number."""
    return f"areas {crc32(repr(memory_map.areas(plan())).encode()):08x}"


if __name__ == "__main__":
    memory_map.draw_picture(plan(), PICTURE, "28x28 digits, by turns", facts())
