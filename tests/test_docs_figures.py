"""What docs/ say of a deployment is what a deployment is: files, bytes, flash, messages."""
import re

import numpy as np
from aifes_host.boards import deploy
from aifes_host.boards.board import digest
from conftest import NATIVE, PREBUILT, ROOT
from test_runtime import info

PICO = (ROOT / "docs" / "boards" / "pico.md").read_text()


class Fresh:
    """A Pico with empty flash, as deploy.plan() asks it. stored: {path: contents}."""

    def __init__(self):
        self.info, self.stored = info(flash_free=1433600), {}

    def files(self, folder):
        folder = folder.rstrip("/") + "/"
        return sorted(p[len(folder):] for p in self.stored if p.startswith(folder)) or None

    def digests(self, paths):
        return [digest(self.stored[p]) if p in self.stored else None for p in paths]

    def has_room(self, blocks):
        return True


def page_model(tmp_path, monkeypatch):
    """The model of the page's first block."""
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", PICO, re.S)[1], {})
    return (tmp_path / "net.aifes").read_bytes()


def number(pattern, text=PICO):
    return int(re.search(pattern, text)[1].replace(",", ""))


def test_pico(tmp_path, monkeypatch):
    plan = deploy.plan(Fresh(), page_model(tmp_path, monkeypatch), "net.aifes")
    assert number(r"flash    needs ([\d,]+) of") == plan.flash <= 49152
    assert number(r"written  (\d+) files") == len(plan.written) <= 12
    # beyond 512 bytes a file is no longer kept in its folder: a block of flash on every board
    assert len(plan.runtime["__init__.mpy"]) <= 512
    # bytes of compiled files change with every line of the runtime
    assert abs(number(r"written  \d+ files, ([\d,]+) bytes") / plan.upload - 1) < 0.1
    on_board = number(r"model    [\d,]+ bytes in net.aifes, ([\d,]+) on the board")
    assert abs(on_board / len(plan.model) - 1) < 0.1
    assert f"ordered for {plan.choice.target}" in PICO


def test_flash_of_the_runtime(tmp_path, monkeypatch):
    plan = deploy.plan(Fresh(), page_model(tmp_path, monkeypatch), "net.aifes")
    alone = plan.flash - 4096 * deploy.blocks(info(), len(plan.model))
    everything = deploy.plan(Fresh(), plan.model, "net.aifes", everything=True).flash
    for page in ("boards/other.md", "memory_and_timing.md"):
        text = (ROOT / "docs" / page).read_text()
        assert number(r"\b(\d+) kB of flash", text) == round(alone / 1024), page
        assert abs(number(r"`--all`[^.]*?(\d+) kB", text) - everything / 1024) < 10, page


def test_deployed_twice():
    """Another kind of model adds to what is there; nothing is sent twice."""
    from test_runtime import float_model, tutorial
    board = Fresh()
    first = deploy.plan(board, tutorial(), "a.aifes")
    assert first.kept == 0
    board.stored = {f"/lib/aifes/{n}": data for n, data in first.runtime.items()}
    board.stored.update({"/lib/aifes.py": deploy.RECOVER, "/a.aifes": first.model})
    again = deploy.plan(board, tutorial(), "a.aifes")
    assert again.written == [] and again.upload == again.flash == 0
    second = deploy.plan(board, float_model(), "b.aifes")
    assert second.written == ["lib/aifes/float32.mpy", "lib/aifes/_aifes_f32.mpy", "/b.aifes"]
    assert set(first.runtime) < set(second.runtime)
    everything = deploy.plan(board, tutorial(), "a.aifes", everything=True)
    assert "lib/aifes/quantizer/dense.mpy" in everything.written
    assert np.all([name.endswith(".mpy") for name in everything.runtime])


def test_sizes_of_the_native_files():
    """The table of native_module/README.md has the smallest and the largest of each family."""
    rows = re.findall(r"^\| `(_aifes\w*\.mpy)` \| .*? \| ([\d,]+) to ([\d,]+) \|",
                      (NATIVE / "README.md").read_text(), re.M)
    assert sorted(name for name, *_ in rows) == sorted({p.name for p in PREBUILT.glob("*/*.mpy")})
    for name, *ends in rows:
        sizes = [p.stat().st_size for p in PREBUILT.glob(f"*/{name}")]
        assert [int(n.replace(",", "")) for n in ends] == [min(sizes), max(sizes)], name
