"""FILE.py:NAME: one command runs each file once, as `python FILE.py` does, and loses no model."""
import os
import re
import sys

import numpy as np
import pytest
from aifes_host import ConversionError, float_model, from_model, read_data, read_network
from aifes_host.scripts import script
from aifes_host.sources import read_labels
from test_host_cli import run

NET = """
import numpy as np
x = np.random.default_rng().normal(size=(60, 4))
model = [("dense", np.eye(4)[:, :2], [0, 0]), "softmax"]
y = x[:, :2].argmax(1)
"""


def write(folder, name="train.py", text="", net=NET):
    path = folder / name
    path.write_text(net + text)
    return path


def test_one_command_runs_a_file_once(tmp_path):
    write(tmp_path, text="""
with open("runs.txt", "a") as file:
    file.write("run\\n")
xs = x[30:]
ys = y[30:]
""")
    said = run("quantize", "train.py:model", "--data", "train.py:x", "--test", "./train.py:xs",
               "--labels", str(tmp_path / "train.py:ys"), "--finetune", "train.py:y",
               "-o", "n.aifes", cwd=tmp_path)
    assert re.search(r"float (9\d|100)\.", said)  # another split would give half
    assert (tmp_path / "runs.txt").read_text() == "run\n"
    run("report", "train.py:model", "--data", "train.py:x", "--labels", "train.py:y",
        cwd=tmp_path)
    assert (tmp_path / "runs.txt").read_text() == "run\n" * 2


def test_a_changed_file_is_run_again(tmp_path):
    path = write(tmp_path, text="a = [[1, 2]]")
    assert read_data(f"{path}:a").tolist() == [[1, 2]]
    write(tmp_path, text="a = [[1, 2, 3]]")
    assert read_data(f"{path}:a").tolist() == [[1, 2, 3]]


AS_PYTHON = """
from __future__ import annotations
import argparse, dataclasses, pickle, sys, typing
from pathlib import Path
import numpy as np
import beside
from folder.inner import inner

@dataclasses.dataclass
class Settings:
    size: list[int]
    rate: typing.ClassVar[float] = 0.1

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
epochs = parser.parse_args().epochs
again = pickle.loads(pickle.dumps(Settings([4])))
assert again == Settings([4]) and typing.get_type_hints(Settings)
assert sys.modules["__main__"].Settings is Settings and __spec__ is None
assert Path(sys.path[0]) == Path(__file__).parent and sys.argv == [ARGV]
x = np.full((3, 2), beside.VALUE + inner())

def later():
    import beside_later
    pickle.dumps(Settings([1]))
    yield from x + beside_later.VALUE

if __name__ == "__main__":
    trained = x + 1
    sys.exit(0)
"""


def test_a_file_runs_as_python_runs_it(tmp_path):
    (tmp_path / "beside.py").write_text("VALUE = 1")
    (tmp_path / "beside_later.py").write_text("import beside\nVALUE = beside.VALUE + 4")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner.py").write_text("def inner():\n    return 1")
    path = tmp_path / "train.py"
    path.write_text(AS_PYTHON.replace("ARGV", repr(str(path))))
    before = sys.modules["__main__"], list(sys.argv), list(sys.path), os.getcwd()
    assert read_data(f"{path}:x").tolist() == [[2, 2]] * 3
    assert read_data(f"{path}:later").tolist() == [[7, 7]] * 3
    assert read_data(f"{path}:trained").tolist() == [[3, 3]] * 3
    assert (sys.modules["__main__"], sys.argv, sys.path, os.getcwd()) == before
    assert "beside" not in sys.modules and "folder" not in sys.modules


def test_scripts_have_their_own_modules_beside_them(tmp_path):
    for name, value in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "common.py").write_text(f"VALUE = {value}")
        (tmp_path / name / "data.py").write_text(
            "import common\nx = [[common.VALUE]]\n"
            "def later():\n    import common\n    return [[common.VALUE]]")
    for what in ("x", "later"):
        assert [read_data(f"{tmp_path}/{n}/data.py:{what}")[0, 0] for n in "ab"] == [1, 2]


def test_json_stays_json_when_a_script_prints(tmp_path):
    write(tmp_path, text='print("epoch 1")')
    said = run("quantize", "train.py:model", "--data", "train.py:x", "--json", cwd=tmp_path)
    assert said.startswith("{")


@pytest.mark.parametrize("text, words", [
    ("a = 1\nb = 2\nmodel = a / 0\n", "train.py, line 3: it failed with ZeroDivisionError"),
    ("def f():\n    raise KeyError('a\\nb')\nf()\n", "train.py, line 2: it failed with KeyError"),
    ("import json\n\njson.loads('{')\n", "train.py, line 3: it failed with JSONDecodeError"),
    ("a = 1\nb = (\n", "train.py, line 2: it failed with SyntaxError"),
    ("import nothing_like_it\n", "train.py, line 1: it failed with ModuleNotFoundError"),
    ("import sys\nsys.exit('no data')\n", "train.py, line 2: it failed with SystemExit: no data"),
    ("import sys\nsys.exit(3)\n", "train.py, line 2: it ended with exit code 3"),
    ("from argparse import ArgumentParser\np = ArgumentParser()\np.add_argument('file')\n"
     "p.parse_args()\n", "train.py, line 4: it ended with exit code 2; it is run without arg"),
    ("assert 0\n", "train.py, line 1: it failed with AssertionError"),
    ("def f(): return f()\nf()\n", "train.py, line 1: it failed with RecursionError"),
    ("\0", "train.py: it failed with"),
    ("import aifes_host\n\naifes_host.from_model([])\n", "train.py, line 3: the desc"),
    ("import subprocess, sys, os\nsubprocess.run([os.path.join(os.path.dirname(sys.executable), "
     "'aifes'), 'convert', __file__ + ':model'], check=True)\n", "train.py, line 2"),
])
def test_a_script_that_fails_names_its_line(tmp_path, text, words):
    path = write(tmp_path, text=text, net="")
    with pytest.raises(ConversionError) as error:
        read_network(f"{path}:model")
    message = str(error.value)
    assert words in message and "\n" not in message
    if "line" in words:
        said = run("convert", "train.py:model", cwd=tmp_path, code=2)
        assert words in said.splitlines()[-1]


@pytest.mark.parametrize("text, words", [
    ("def data():\n    return 1 / 0\n", "line 2: it failed with ZeroDivisionError"),
    ("def data():\n    yield [1]\n    yield missing\n", "line 3: it failed with NameError"),
    ("def data(n):\n    return 1\n", "it failed with TypeError"),
    ("data = [[1], [1, 2]]\n", "cannot be read as an array"),
    ("data = ['a', 'b']\n", "cannot be read as numbers"),
    ("data = [1j]\n", "complex"),
    ("data = []\n", "no data"),
    ("data = [[1e300]]\n", "row 1 holds a number beyond 3.4e+38"),
    ("data = 10 ** 400\n", "cannot be read as an array"),
    ("import itertools\ndata = ([0] * 10 ** 6 for _ in itertools.count())\n", "let it end"),
    ("other = 1\n", "no variable 'data'"),
])
def test_data_of_scripts_are_refused_in_a_sentence(tmp_path, text, words):
    path = write(tmp_path, text=text, net="")
    with pytest.raises(ConversionError) as error:
        read_data(f"{path}:data")
    assert words in str(error.value) and "\n" not in str(error.value)


WAYS = {
    "open": "open(deployed, 'wb').write(b'new')",
    "a Path": "from pathlib import Path\nPath(deployed).write_bytes(b'new')",
    "append": "open(deployed, 'ab').write(b'new')",
    "change": "open(deployed, 'r+b').write(b'new')",
    "os.open": "os.open(deployed, os.O_WRONLY | os.O_TRUNC)",
    "rename": "open('new', 'wb').write(b'new')\nos.rename('new', deployed)",
    "replace": "open('new', 'wb').write(b'new')\nos.replace('new', deployed)",
    "move away": "os.rename(deployed, 'old')",
    "copy": "import shutil\nopen('new', 'wb').write(b'new')\nshutil.copy('new', deployed)",
    "remove": "os.remove(deployed)",
    "truncate": "os.truncate(deployed, 0)",
    "NumPy": "np.ones(3).tofile(deployed)",
    "caught": "try:\n    open(deployed, 'wb').write(b'new')\nexcept Exception:\n    pass",
    "aifes_host": "from aifes_host.writers import write_aifes\nwrite_aifes(b'new', deployed)",
    "in a function": "def save():\n    open(deployed, 'wb').write(b'new')\nsave()",
    "the guard": "if __name__ == '__main__':\n    open(deployed, 'wb').write(b'new')",
    "aifes": "import subprocess, sys\nsubprocess.run([os.path.join(os.path.dirname("
             "sys.executable), 'aifes'), 'convert', 'net.json', '-o', deployed], check=True)",
}


@pytest.mark.parametrize("name", ["iris.aifes", "model.bin"])
@pytest.mark.parametrize("way", WAYS)
def test_a_model_that_was_there_is_not_overwritten(tmp_path, way, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.json").write_text('[["dense", [[1]], [0]]]')
    before = float_model(from_model([("dense", [[1]], [0])]))
    (tmp_path / name).write_bytes(before)
    write(tmp_path, text=f"import os\ndeployed = {name!r}\n{WAYS[way]}\n")
    with pytest.raises(ConversionError) as error:
        read_network("train.py:model")
    assert (tmp_path / name).read_bytes() == before
    assert "train.py, line" in str(error.value) and "\n" not in str(error.value)
    if "aifes" not in way:
        assert f"it would overwrite the model {name}" in str(error.value)


def test_a_later_call_does_not_overwrite_either(tmp_path):
    (tmp_path / "a.aifes").write_bytes(b"model")
    path = write(tmp_path, text="""
def data():
    import os
    os.chdir(os.path.dirname(__file__))
    open("a.aifes", "w")
    return x
""")
    with pytest.raises(ConversionError, match="line 10: it would overwrite"):
        read_data(f"{path}:data")
    assert (tmp_path / "a.aifes").read_bytes() == b"model"


def test_new_models_may_be_written_and_other_files_are_told_of(tmp_path, capsys):
    (tmp_path / "samples.csv").write_text("old")
    path = write(tmp_path, text=f"""
for i in range(3):
    open({str(tmp_path / "new.aifes")!r}, "w").write(str(i))
    open({str(tmp_path / "samples.csv")!r}, "w").write(str(i))
    open({str(tmp_path / "new.csv")!r}, "w").write(str(i))
""")
    read_network(f"{path}:model")
    assert (tmp_path / "new.aifes").read_text() == (tmp_path / "samples.csv").read_text() == "2"
    said = capsys.readouterr().err
    assert said.count("was run and changed") == 1
    assert "samples.csv" in said and "/new." not in said
    script(path)
    assert capsys.readouterr().err == ""


def test_models_and_labels_in_functions_and_tables(tmp_path):
    path = write(tmp_path, text="""
def names():
    yield from ("stand", "walk", "stand")
objects = np.array(["a", "b"], object)
numbers = np.array([1, 2], object)
""")
    assert read_labels(f"{path}:names").tolist() == ["stand", "walk", "stand"]
    assert read_labels(f"{path}:objects").tolist() == ["a", "b"]
    assert read_labels(f"{path}:numbers").tolist() == [1, 2]
    assert np.isfinite(read_data(f"{path}:x")).all()
