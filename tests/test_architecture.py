"""How the parts hang together: no circles of imports, and each op a file in each building."""
import ast
import re

import networkx
import pytest
from aifes.ops import NAMES
from aifes_host.boards import runtime
from aifes_host.ops import ROOMS
from conftest import NATIVE, ROOT

DEVICE, HOST = ROOT / "device" / "aifes", ROOT / "host" / "aifes_host"
BUILDINGS = {DEVICE / "ops": ".py", DEVICE / "viper": ".py", DEVICE / "layers": ".py",
             DEVICE / "quantizer": ".py", HOST / "ops": ".py", NATIVE / "ops": ".h"}
# no layer has it: layout.by_rows() puts it for a pool, and a board does not quantize images
NO_LAYER = {"mean"}


def modules(package):
    """{dotted name: file} of a package."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def at_once(body):
    """The import statements that run when a module is imported: not those in functions."""
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for field in ("body", "orelse", "finalbody", "handlers"):
                yield from at_once(getattr(node, field, ()))


def imported(name, path, known):
    """The modules of the package that one imports at once."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in at_once(ast.parse(path.read_text()).body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
            continue
        base = node.module or ""
        if node.level:
            above = package.split(".")[:len(package.split(".")) + 1 - node.level]
            base = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            found = f"{base}.{alias.name}"
            yield from (n for n in (found if found in known else base,) if n in known)


@pytest.mark.parametrize("package", [DEVICE, HOST], ids=lambda p: p.name)
def test_no_circle_of_imports(package):
    known = modules(package)
    graph = networkx.DiGraph((name, other) for name, path in known.items()
                             for other in imported(name, path, known))
    assert len(graph) > 15 and graph.number_of_edges() > 20
    assert not list(networkx.simple_cycles(graph))


def test_the_board_knows_nothing_of_the_pc():
    for path in DEVICE.rglob("*.py"):
        assert "aifes_host" not in path.read_text(), path


@pytest.mark.parametrize("building", BUILDINGS, ids=lambda p: "/".join(p.parts[-2:]))
def test_each_op_has_a_room(building):
    without = NO_LAYER if building.name in ("layers", "quantizer") else set()
    for name in NAMES[1:]:
        assert (building / (name + BUILDINGS[building])).exists() == (name not in without)


def test_each_op_is_in_the_lists():
    """Of the PC, and of the families in C: `aifes deploy` chooses by what they have."""
    assert list(ROOMS) == list(NAMES[1:])
    text = (NATIVE / "ops" / "ops.h").read_text().replace("\\\n", "")
    lines = re.findall(r"#define AIFES_OPS\w*\(OP\) (.*)", text)
    one, several, floats, cnn = (re.findall(r"OP\((\w+), \w+\)", line) for line in lines)
    assert {name: (set(ops), several) for name, (ops, several) in runtime.FAMILIES.items()} == {
        "_aifes.mpy": ({*one}, False), "_aifes_cnn.mpy": ({*one, *several, *floats, *cnn}, True),
        "_aifes_f32.mpy": ({*one, *several}, True),
        "_aifes_cnn_f32.mpy": ({*one, *several, *floats}, True)}
    assert {*one, *several, *floats, *cnn} == set(NAMES[1:])


def test_frames_know_no_op():
    """What is the same for all ops names none of them."""
    for name in ("format", "model", "samples", "several", "float32"):
        words = {node.id for node in ast.walk(ast.parse((DEVICE / f"{name}.py").read_text()))
                 if isinstance(node, ast.Name)}
        assert not words & {op for op in NAMES[1:] if op != "map"}, name
