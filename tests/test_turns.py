"""What is drawn of the memory of models whose ops take turns is what they need, and no more."""
import json
import subprocess
import sys
from array import array
from pathlib import Path

import aifes
import draw_rows
import numpy as np
import pytest
import row_nets
from aifes.format import decode
from aifes_host import memory_map, rolling
from aifes_host.layout import by_rows
from aifes_host.per_op import per_op
from aifes_host.report_model import describe
from aifes_host.simulator import Simulator
from aifes_host.turns import groups, strips, turns
from bench import cnn


def image(seed, pushed=None):
    model, _ = row_nets.quantized(row_nets.images(seed), seed)
    return by_rows(model, pushed)


def endless(seed):
    graph, _ = row_nets.signals(seed)
    return by_rows(row_nets.quantized(graph, seed)[0], "endless")


@pytest.mark.parametrize("pushed", [None, "rows"])
@pytest.mark.parametrize("seed", range(60))
def test_bytes_that_are_not_drawn_do_not_matter(seed, pushed):
    """Before each turn all others are overwritten: the same result."""
    whole, x = row_nets.quantized(row_nets.images(seed), seed)
    model = by_rows(whole, pushed)
    plan = decode(model)
    if not memory_map.in_turns(plan):
        return
    q = Simulator(whole).quantized(x[:1])
    arena = array("b", bytes(plan.arena))
    net = aifes.load(model, arena, engine="python")
    engine, left = net._net.turns, turns(plan)
    run, rng = engine.run, np.random.default_rng(seed)

    def scribble(i):
        turn = left.pop(0)
        assert i == turn.op
        others = set(range(plan.arena))
        for low, high in turn.bytes.values():
            others.difference_update(range(low, high))
        for at in others:
            arena[at] = int(rng.integers(-128, 128))
        run(i)

    engine.run = scribble
    want = Simulator(whole).run(q)[0].tolist()
    y = array("b", bytes(len(want)))
    net.run(array("b", q[0].tolist()), y)
    assert list(y) == want and not left


@pytest.mark.parametrize("make", [image, lambda seed: image(seed, "rows"), endless])
@pytest.mark.parametrize("seed", range(30))
def test_what_is_drawn(make, seed):
    """All inside of the arena and of the blocks; nothing twice, but where it is overwritten."""
    plan = decode(make(seed))
    found = memory_map.areas(plan)
    assert [b for b, _ in found] == memory_map.blocks(plan)
    assert len({b.name for b, _ in found}) == len(found)
    for b, drawn in found:
        assert b.length > 0 and 0 <= b.offset and b.offset + b.length <= plan.arena
        for strip in drawn:
            for start, end, low, high in strip:
                assert b.first <= start < end <= b.last + 1 and end <= len(plan.ops)
                assert b.offset <= low < high <= b.offset + b.length
    for turn in turns(plan):
        total = len({at for low, high in turn.bytes.values() for at in range(low, high)})
        assert turn.least <= total <= plan.arena
    assert memory_map.lower_bound(plan) <= plan.arena
    text = memory_map.draw_text(plan)
    assert len(text) == len(plan.ops) and {len(row) for _, row in text} == {48}


@pytest.mark.parametrize("seed", range(40))
def test_the_bound_is_that_of_the_planner(seed, monkeypatch):
    """Computed from the file alone; the planner has it before it knows where tensors lie."""
    placed = []

    def noted(*args):
        placed.append(rolling.roll(*args))
        return placed[-1]

    monkeypatch.setattr("aifes_host.layout.roll", noted)
    for make in (image, lambda seed: image(seed, "rows"), endless):
        plan = decode(make(seed))
        if memory_map.in_turns(plan):
            assert memory_map.lower_bound(plan) == placed[-1].lower_bound


def test_columns_hold_all_turns():
    plan = decode(image(0, "rows"))
    few, many = strips(plan, 8), strips(plan, 100000)
    assert few.keys() == many.keys()
    for k in few:
        assert min(part[2] for s in few[k] for part in s) == min(
            part[2] for s in many[k] for part in s)
        assert max(part[3] for s in few[k] for part in s) == max(
            part[3] for s in many[k] for part in s)


@pytest.fixture(scope="module")
def kws():
    return by_rows(cnn.network("kws", (1, 1))[0], "rows")


def test_groups(kws):
    plan = decode(kws)
    assert groups(plan) == [(0, 10), (10, 11), (11, 12)]
    assert [f.turns for f in per_op(kws)] == 10 * [(0, 9)] + [None, None]
    blocks = {b.name: b for b in memory_map.blocks(plan)}
    assert (blocks["input"].rows, blocks["input"].all_rows) == (10, 49)
    assert blocks["input"].length == 10 * 10 and blocks["mean 9"].rows == 0
    assert (blocks["mean 9"].first, blocks["mean 9"].last) == (0, 10)
    whole = decode(cnn.network("kws", (1, 1))[0])
    assert groups(whole) == [(i, i + 1) for i in range(12)] and not memory_map.in_turns(whole)


@pytest.mark.parametrize("name, said", [("rows", "input comes row by row\n"),
                                        ("endless", "input comes row by row without end\n")])
def test_summary(name, said):
    graph, _ = row_nets.signals(1)
    model, _ = row_nets.quantized(graph, 1)
    assert said in str(aifes.load(by_rows(model, name), engine="python"))
    assert "row by row" not in str(aifes.load(model, engine="python"))


def test_inspect(kws, tmp_path):
    (tmp_path / "kws.aifes").write_bytes(kws)

    def run(*args):
        aifes = Path(sys.executable).parent / "aifes"
        done = subprocess.run([aifes, "inspect", "kws.aifes", *args], cwd=tmp_path,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    text = run("--plot", "map.svg")
    assert "input comes row by row" in text and "0–9" in text
    assert "10 of 49 rows of A, input" in text
    assert "clip" in (tmp_path / "map.svg").read_text()
    found = json.loads(run("--json"))
    assert found["input_by_rows"] and not found["input_endless"]
    assert found["arena_lower_bound"] <= found["arena"]
    assert found["ops"][0]["turns"] == [0, 9] and found["ops"][11]["turns"] is None
    assert found["arena_blocks"][0]["rows"] == 10


@pytest.mark.parametrize("name", cnn.NETS)
def test_pictures(name, tmp_path, monkeypatch):
    """Labels lie apart and inside of the figure; the report has all tensors."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    model = by_rows(cnn.network(name, (1, 1))[0])
    plan = decode(model)
    with monkeypatch.context() as patch:
        patch.setattr(plt, "close", lambda figure: None)
        memory_map.draw_picture(plan, tmp_path / "map.png", name)
    figure = plt.gcf()
    figure.canvas.draw()
    axes, = figure.axes
    texts = [*axes.texts, *axes.get_xticklabels()]
    boxes = [t.get_window_extent() for t in texts]
    assert not [1 for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    assert all(figure.bbox.x0 <= b.x0 and b.x1 <= figure.bbox.x1 for b in boxes)
    plt.close(figure)
    describe(model, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    for b in memory_map.blocks(plan):
        assert b.name in text and (not b.rows or f"{b.rows} of {b.all_rows} rows" in text)


def test_the_picture_of_the_docs():
    """docs/rows.png is what tests/draw_rows.py draws now."""
    picture = draw_rows.PICTURE.read_bytes()
    assert draw_rows.facts().encode() in picture, "draw it anew: PYTHONPATH=tests python " \
        "tests/draw_rows.py"
