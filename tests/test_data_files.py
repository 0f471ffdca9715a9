"""Data, classes and descriptions in files: read, or refused in one sentence; never guessed."""
import io
import json
import os
import resource
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from aifes_host import ConversionError, from_model, quantize, read_data, read_network
from aifes_host.sources import read_labels, read_targets
from mutate import mutations
from test_host_cli import run

ROWS = [[5.1, 3.5, 0], [4.9, -3, 1], [0.25, 1e-3, 2]]
COMMAS = "5,1;3,5;0\n4,9;-3;1\n0,25;1e-3;2\n"
PLAIN = "5.1,3.5,0\n4.9,-3,1\n0.25,1e-3,2\n"


def data(folder, content, name="x.csv", read=read_data, **options):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(path, **options)


def refusal(folder, content, name="x.csv", read=read_data, **options):
    with pytest.raises(ConversionError) as error:
        data(folder, content, name, read, **options)
    message = str(error.value)
    assert "\n" not in message and len(message) < 500
    return message.replace(str(folder) + os.sep, "")


TABLES = {
    "plain": PLAIN,
    "header": "a,b,c\n" + PLAIN,
    "quoted header": '"a, in °C","b","c"\n' + PLAIN,
    "header without a name for the index": ",b,c\n" + PLAIN,
    "title above": "My measurements\n" + PLAIN,
    "BOM": b"\xef\xbb\xbf" + PLAIN.encode(),
    "BOM and header": b"\xef\xbb\xbf" + b"a,b,c\n" + PLAIN.encode(),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "header in Latin-1": "Größe,b,c\n".encode("latin-1") + PLAIN.encode(),
    "Windows": PLAIN.replace("\n", "\r\n"),
    "old Mac": PLAIN.replace("\n", "\r"),
    "no end of line": PLAIN.rstrip(),
    "empty lines": "\n" + PLAIN.replace("\n", "\n\n"),
    "comments": "# a,b\n" + PLAIN + "# end\n",
    "blanks behind commas": PLAIN.replace(",", ", "),
    "quoted cells": "\n".join(",".join(f'"{c}"' for c in line.split(","))
                              for line in PLAIN.splitlines()),
    "tabs": PLAIN.replace(",", "\t"),
    "tabs and decimal commas": COMMAS.replace(";", "\t"),
    "semicolons": PLAIN.replace(",", ";"),
    "semicolons and decimal commas": COMMAS,
    "semicolons, decimal commas, header": "a (1,5);b;c\n" + COMMAS,
    "quoted decimal commas": "\n".join(",".join(f'"{c}"' for c in line.split(";"))
                                       for line in COMMAS.splitlines()),
    "three decimals, but not all": "5,100;3,500;0\n4,900;-3;1\n0,25;1e-3;2\n",
    "blanks": PLAIN.replace(",", "  "),
    "columns of NumPy": " 5.1   3.5  0\n 4.9  -3    1\n 0.25  1e-3 2\n",
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_all_kinds(tmp_path, kind):
    assert data(tmp_path, TABLES[kind]).tolist() == ROWS


def test_one_column_and_one_row(tmp_path):
    assert data(tmp_path, "1\n2.5\n").tolist() == [[1], [2.5]]
    assert data(tmp_path, "t\n1\n2\n").tolist() == [[1], [2]]
    assert data(tmp_path, "1;2;3").tolist() == [[1, 2, 3]]
    assert data(tmp_path, "1,5").tolist() == [[1, 5]]


@pytest.mark.parametrize("text, words", [
    ("", "holds no data"),
    ("\n\n", "holds no data"),
    ("# only this\n", "holds no data"),
    ("a,b\n", "no data below its header"),
    (",2\n3,4\n", "line 1, column 1 is empty"),
    ("NA,2\n3,4\n", "line 1, column 1 is empty"),
    ("NA,NA\n3,4\n", "line 1, column 1 is empty"),
    ("nan,nan\n3,4\n", "line 1, column 1 is empty"),
    ("a,b\n1,2\n\n3,\n", "line 4, column 2 is empty"),
    ("a,b\r\n1,2\r\n\r\n3,NaN\r\n", "line 4, column 2 is empty"),
    ("a,b\r1,2\r3,N/A\r", "line 3, column 2 is empty"),
    ("1,2\n3,inf\n", "line 2, column 2"),
    ("1,2\n3,1e300\n", "line 2, column 2 holds a number beyond 3.4e+38"),
    ("1,2\n3,1e39\n", "beyond"),
    ("1,2\n" + "9" * 400 + ",1\n", "line 2, column 1 holds a number beyond"),
    ("1,2\n3\n", "line 2 has 1 column, line 1 has 2"),
    ("a,b\n1,2\n3,4,5\n", "line 3 has 3 columns, line 2 has 2"),
    ("1,2\nx,4\n", "line 2, column 1: 'x' is not a number"),
    ('1,2\n"3,4\n5,6\n', "line 2"),
    ("a,b,c\n1,2,setosa\n3,4,virginica\n",
     "line 2 ends with 'setosa': 3 columns, 2 inputs: is the last one the class?"),
    ("1;2;'x'\n", "is the last one the class?"),
    ("1.234,5;2\n", "line 1: '1.234,5' has a point and a comma"),
    ("1,234.5;2\n", "line 1: '1,234.5' has a point and a comma"),
    ("1,234;2\n", "line 1: is '1,234' 1.234 or 1234?"),
    ("a;b\n1;2\n12,345,678;2\n", "line 3: is '12,345,678'"),
    ('"1,234","2"\n', "line 1: is '1,234' 1.234 or 1234?"),
    ("1,5;2\n1.5;2\n", "line 2: '1.5' has a decimal point"),
    ("1,2,3;4\n", "not a number"),
    (",;1\n", "not a number"),
    ("\0\0\0\0", "no text"),
    (b"\x89PNG\r\n\x1a\n\0\0\0", "no text"),
    (b"\xff\xfe\x00", "no text"),
    (PLAIN.encode("utf-16-le"), "no text"),
])
def test_what_no_table_is_is_refused(tmp_path, text, words):
    assert words in refusal(tmp_path, text)


def test_columns_that_do_not_fit(tmp_path):
    (tmp_path / "net.json").write_text(json.dumps([["dense", [[1]] * 13, [0]]]))
    rows = np.arange(40 * 14).reshape(40, 14)
    np.savetxt(tmp_path / "x.csv", rows, delimiter=",", fmt="%d")
    words = "14 columns, 13 inputs: is the last one the class?"
    assert words in run("quantize", "net.json", "--data", "x.csv", code=2, cwd=tmp_path)
    run("convert", "net.json", cwd=tmp_path)
    assert words in run("simulate", "net.aifes", "-i", "x.csv", code=2, cwd=tmp_path)
    graph = read_network(tmp_path / "net.json")
    with pytest.raises(ConversionError, match="decimal commas"):
        graph(np.ones((5, 26)))
    with pytest.raises(ConversionError, match="first in row 3"):
        graph([[1] * 13, [2] * 13, [1e39] * 13])


NAMES = ["stand", "walk", "stand", "run"]


@pytest.mark.parametrize("name, content, samples, wanted", [
    ("y.csv", "0\n1\n2\n", None, [0, 1, 2]),
    ("y.csv", "class\n0\n1\n2\n", None, [0, 1, 2]),
    ("y.csv", "0.0\n1.0\n", None, [0, 1]),
    ("y.csv", "0.5\n1\n", None, [0.5, 1]),
    ("y.csv", "-5\n7\n", None, [-5, 7]),
    ("y.csv", "0,1,1,0\n", None, [0, 1, 1, 0]),
    ("y.csv", "0\r\n1\r\n", None, [0, 1]),
    ("y.csv", "\n".join(NAMES), None, NAMES),
    ("y.csv", "\n".join(NAMES), 4, NAMES),
    ("y.csv", "class\n" + "\n".join(NAMES), 4, NAMES),
    ("y.csv", b"\xef\xbb\xbf" + "\n".join(NAMES).encode(), 4, NAMES),
    ("y.csv", '"a, b"\n"c"\n', None, ["a, b", "c"]),
    ("y.csv", "red apple\npear\n", None, ["red apple", "pear"]),
    ("y.csv", "a,b,a\n", None, ["a", "b", "a"]),
    ("y.txt", "red, ripe\npear\n", None, ["red, ripe", "pear"]),
    ("y.txt", " 1\n 0\n", None, [1, 0]),
    ("y.txt", "walk\n", None, ["walk"]),
])
def test_labels_in_text(tmp_path, name, content, samples, wanted):
    found = data(tmp_path, content, name, read_labels, samples=samples)
    assert found.tolist() == wanted and found.ndim == 1
    assert data(tmp_path, content, name, read_targets, samples=samples).tolist() == wanted


@pytest.mark.parametrize("array, wanted", [
    ([0, 1, 2], [0, 1, 2]), ([[0], [1]], [0, 1]), ([0.5, 1], [0.5, 1]), ([True, False], [1, 0]),
    (NAMES, NAMES), ([[v] for v in NAMES], NAMES), (np.array(NAMES, "S"), NAMES),
    (np.array([0, 1], np.uint8), [0, 1]), ([1e300, 1], [1e300, 1])])
def test_labels_in_arrays(tmp_path, array, wanted):
    np.save(tmp_path / "y.npy", array)
    np.savez(tmp_path / "y.npz", x=np.zeros((2, 2)), y=array)
    for name in ("y.npy", "y.npz"):
        assert read_labels(tmp_path / name).tolist() == wanted


@pytest.mark.parametrize("name, content, words", [
    ("y.csv", "0\nNA\n1\n", "line 2, column 1 is empty"),
    ("y.csv", "0\nnan\n", "line 2, column 1 is empty"),
    ("y.csv", "a\n\"\"\nb\n", "line 2 is empty"),
    ("y.csv", "1,2,0\n3,4,1\n", "3 columns: give one"),
    ("y.csv", "", "no data"),
    ("y.dat", "1", "is not .npy, .npz, .csv or .txt or FILE.py:NAME"),
])
def test_labels_that_are_none(tmp_path, name, content, words):
    assert words in refusal(tmp_path, content, name, read_labels)


def test_labels_of_the_commands(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "net.json").write_text(json.dumps({
        "layers": [["dense", np.eye(3).tolist(), [0, 0, 0]], "softmax"],
        "labels": ["stand", "walk", "run"]}))
    names = np.array(["stand", "walk", "run"])[x.argmax(1)]
    (tmp_path / "y.csv").write_text("state\n" + "\n".join(names) + "\n")
    (tmp_path / "y.txt").write_text("\n".join(names))
    np.save(tmp_path / "y.npy", names)
    (tmp_path / "y.py").write_text("import numpy as np\ny = np.load('y.npy')\n")
    for source in ("y.csv", "y.txt", "y.npy", "y.py:y"):
        said = run("quantize", "net.json", "--data", "x.npy", "--labels", source, cwd=tmp_path)
        assert "accuracy: float 100.00 %" in said
        run("report", "net.json", "--data", "x.npy", "--labels", source, cwd=tmp_path)
    run("quantize", "net.json", "--data", "x.npy", "--finetune", "y.csv", cwd=tmp_path)
    (tmp_path / "z.txt").write_text("\n".join(names[:-1]) + "\nfly")
    said = run("quantize", "net.json", "--data", "x.npy", "--labels", "z.txt", code=2,
               cwd=tmp_path)
    assert "'fly'" in said and "Traceback" not in said


def npy(shape, descr="<f8", body=b"\0" * 64, version=(1, 0)):
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    header += b" " * (63 - len(header) % 64) + b"\n"
    length = len(header).to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + length + header + body


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


ARRAYS = {
    "huge": (npy((10 ** 9, 10 ** 9)), "more than the"),
    "huge text": (npy((2,), "<U99999999"), "more than the"),
    "negative": (npy((-1, 3)), "more than the"),
    "cut off": (npy((100, 100)), "cut off"),
    "empty": (b"", "damaged"),
    "no rows": (saved(np.zeros((0, 4))), "no data"),
    "no columns": (saved(np.zeros((4, 0))), "no data"),
    "pickle": (npy((1,), "|O", b"cos\nsystem\n(S'false'\ntR."), "Python objects"),
    "records": (saved(np.zeros(3, [("a", "f4"), ("b", "i4")])), "records"),
    "text": (saved(np.array(["a"])), "holds text"),
    "complex": (saved(np.array([1j])), "complex"),
    "dates": (saved(np.array(["2020-01-01"], "M8[D]")), "dates"),
    "large": (saved(np.array([[1.0], [1e300]])), "row 2 holds a number beyond"),
    "deep header": (b"\x93NUMPY\1\0" + (9000).to_bytes(2, "little") + b"(" * 9000, "damaged"),
    "long header": (b"\x93NUMPY\2\0" + (1 << 31).to_bytes(4, "little") + b" " * 70000, "damaged"),
    "version 9": (npy((1,), version=(9, 0)), "damaged"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_that_are_refused(tmp_path, kind):
    content, words = ARRAYS[kind]
    assert words in refusal(tmp_path, content, "x.npy")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)
    assert words in refusal(tmp_path, file.getvalue(), "x.npz")


def test_arrays_that_are_read(tmp_path):
    for array in (np.ones(3), np.ones((2, 2, 2), np.float16), np.eye(2, dtype=bool),
                  np.arange(3, dtype=np.uint64), np.asfortranarray(np.ones((2, 3))),
                  np.ones((3, 2), ">i2"), np.array(4)):
        wanted = np.atleast_1d(array).astype(float)
        wanted = wanted if wanted.ndim > 2 else wanted.reshape(len(wanted), -1)
        assert data(tmp_path, saved(array), "x.npy").tolist() == wanted.tolist()
    assert np.isnan(data(tmp_path, saved(np.array([[np.nan]])), "x.npy")).all()


def bomb(path):
    """A small .npz of 3 GB of zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as file:
            file.write(npy((3 * 2 ** 27,), body=b""))
            for _ in range(3 * 64):
                file.write(bytes(1 << 24))


def bounded(folder, code, gigabytes=2, seconds=60):
    """Run Python with an upper bound of memory and time; what it printed."""
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (gigabytes << 30, gigabytes << 30))

    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True,
                          preexec_fn=limit, timeout=seconds,
                          env=dict(os.environ, OPENBLAS_NUM_THREADS="1"))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_files_that_would_take_gigabytes_or_forever(tmp_path):
    bomb(tmp_path / "bomb.npz")
    with (tmp_path / "sparse.csv").open("wb") as file:
        file.truncate(1 << 34)
    with (tmp_path / "sparse.npy").open("wb") as file:
        file.write(npy((2 ** 31,), body=b""))
        file.truncate(1 << 34)
    (tmp_path / "line.csv").write_text("1," * (20 << 20))
    (tmp_path / "wide.json").write_text("[" * 2000 + "]" * 2000)
    (tmp_path / "deep.json").write_text("[" * 10 ** 6)
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    (tmp_path / "zero.npy").symlink_to("/dev/zero")
    (tmp_path / "zero.onnx").symlink_to("/dev/zero")
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkfifo(tmp_path / "pipe.py")
    said = bounded(tmp_path, """
from aifes_host import ConversionError, read_data, read_network
for read, name in ((read_data, "bomb.npz"), (read_data, "sparse.csv"), (read_data, "sparse.npy"),
                   (read_data, "line.csv"), (read_network, "wide.json"),
                   (read_network, "deep.json"), (read_data, "zero.csv"), (read_data, "zero.npy"),
                   (read_network, "zero.json"), (read_network, "zero.onnx"),
                   (read_data, "folder.csv"), (read_data, "pipe.csv"), (read_data, "pipe.py:x"),
                   (read_data, "no.csv"), (read_data, "x" * 5000 + ".csv"), (read_data, "\\0.csv"),
                   (read_data, "line.csv/x.csv"), (read_network, "no.keras")):
    try:
        read(name)
    except ConversionError as error:
        print(name[:20], "-", error)
""", 1)
    assert len(said.splitlines()) == 18, said
    for words in ("bomb.npz - bomb.npz holds 402653184 values", "line.csv, line 1 has",
                  "wide.json is nested", "deep.json is nested", "zero.csv is a device",
                  "folder.csv is a folder", "pipe.csv is a device or a pipe", "no file no.csv"):
        assert words in said, said


@pytest.mark.parametrize("text, words", [
    ('{"layers": [["dense", [[1e39]], [0]]]}', "dense"),
    ('{"layers": [["dense", [[%s]], [0]]]}' % ("9" * 400), "layer 0"),
    ('{"layers": [["dense", [[%s]], [0]]]}' % ("9" * 5000), "JSON"),
    ('{"layers": [["dense", [[NaN]], [0]]]}', "not finite"),
    ('{"layers": [["dense", [[null]], [0]]]}', "not finite"),
    ('{"layers": [["dense", [["a"]], [0]]]}', "layer 0"),
    ('{"layers": [["dense", [[1], [1, 2]], [0]]]}', "layer 0"),
    ('{"layers": [["dense", [[]], []]]}', "outputs"),
    ('{"layers": [["dense", [], []]]}', "dense layer"),
    ('{"layers": [["dense", {}, 5]]}', "layer 0"),
    ('{"layers": [["dense", [[1]], [0]], ["elu", NaN]]}', "finite"),
    ('{"layers": [["dense", [[1]], [0]], ["elu", "x"]]}', "layer 1"),
    ('{"layers": [["dense", [[1]], [0]], ["elu", 1, 2]]}', "layer 1, elu, has 2 parameters"),
    ('{"layers": [["dense", [[1]], [0]], ["tanh", 1]]}', "layer 1, tanh, has 1 parameters"),
    ('{"layers": [["dense", [[1]], [0]], "clamp"]}', "layer 1, clamp, has 0 parameters"),
    ('{"layers": [["dense", [[1]], [0]], ["clamp", 2, 1]]}', "order"),
    ('{"layers": [["dense", [[1]], [0]], ["swish"]]}', "swish"),
    ('{"layers": [["dense", [[1]], [0]], ["relu6", 3, 4, 5]]}', "relu6"),
    ('{"layers": [["dense", [[1]], [0]], [["a"]]]}', "layer 1"),
    ('{"layers": [["dense", [[1]], [0]], {}]}', "layer 1"),
    ('{"layers": [["dense", [[1]], [0]], []]}', "layer 1"),
    ('{"layers": [["dense", [[1]], [0]], 5]}', "layer 1"),
    ('{"layers": [["dense", [[1]], [0]], null]}', "layer 1"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": 5}', "labels must be a list"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": "ab"}', "labels must be a list"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": {"a": 1}}', "labels must be a list"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": [[1], [2]]}', "[1] is no name"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": ["a"]}', "2 outputs and 1 labels"),
    ('{"layers": [["dense", [[1, 2]], [0, 0]]], "labels": ["a", "a"]}', "twice"),
    ('{"layers": [["dense", [[1]], [0]]], "labels": ["a", "b", "c"]}', "1 outputs and 3 labels"),
    ('{"layers": [["dense", [[1]], [0]]], "name": 5}', "name"),
    ('{"layers": []}', "no dense layer"),
    ('"dense"', "no network"),
    ("", "not JSON"),
    (b"\x80\x81", "not JSON"),
])
def test_descriptions_that_are_refused(tmp_path, text, words):
    assert words in refusal(tmp_path, text, "net.json", read_network)


def test_descriptions_name_all_activations(tmp_path):
    from aifes_host.ops import KINDS

    dense = ["dense", [[1, 0], [0, 1]], [0, 0]]
    x = np.linspace(-7, 7, 40).reshape(-1, 2)
    for kind in KINDS:
        spec = ["clamp", -2, 3] if kind == "clamp" else kind
        assert np.isfinite(from_model([dense, spec])(x)).all()
    assert (from_model([dense, "relu6"])(x) == np.clip(x, 0, 6)).all()
    assert (from_model([dense, "hard_tanh"])(x) == np.clip(x, -1, 1)).all()
    assert (from_model([dense, ["clamp", -2, 3]])(x) == np.clip(x, -2, 3)).all()
    assert np.allclose(from_model([dense, "hard_sigmoid"])(x), np.clip(x / 6 + 0.5, 0, 1))
    assert from_model([dense, ["hard_sigmoid", 0.2, 0.5]])(x)[0, 0] == 0
    assert (from_model([dense, ["leaky_relu", 2]])(x) == np.where(x > 0, x, 2 * x)).all()
    text = json.dumps({"layers": [["dense", [[1]], [0]], "sigmoid"], "labels": ["no", 1]})
    assert data(tmp_path, text, "n.json", read_network).labels == ["no", "1"]


def good_files():
    x = np.random.default_rng(0).normal(size=(40, 3)).round(3)
    compressed = io.BytesIO()
    np.savez_compressed(compressed, x=x, y=np.arange(40))
    lines = [",".join(map(str, row)) for row in x.tolist()]
    net = {"name": "net", "labels": ["a", "b"],
           "layers": [["dense", x[:3, :2].tolist(), [0.5, 1]], ["elu", 0.5],
                      ["dense", [[1, 2], [3, 4]], [0, 0]], "softmax"]}
    return {"x.npy": saved(x), "x.npz": compressed.getvalue(),
            "x.csv": "\n".join(["a,b,c", *lines]).encode(),
            "c.csv": "\n".join(["a;b;c", *lines]).replace(",", ";").replace(".", ",").encode(),
            "net.json": json.dumps(net).encode(),
            "y.txt": b"\n".join([b"stand", b"walk", b"run"] * 13),
            "y.csv": b"\n".join([b"class", b"0", b"1", b"2"] * 13),
            "y.npy": saved(np.array(["stand", "walk"] * 20))}


def mutants(name, content, count=500):
    """Read damaged copies of a file; how many were refused."""
    refused = 0
    for damaged in mutations(content, count):
        with open(name, "wb") as file:
            file.write(damaged)
        try:
            if name.endswith("json"):
                graph = read_network(name)
                graph(np.ones((2, graph.n_in)))
            elif name.startswith("y"):
                assert read_labels(name, 39).ndim == 1
                read_targets(name, 39)
            else:
                found = read_data(name)
                assert found.ndim == 2 and found.size and found.dtype == float
        except ConversionError as error:
            refused += 1
            assert 10 < len(str(error)) < 1000 and "\n" not in str(error), str(error)
    return refused


@pytest.mark.parametrize("name", good_files())
def test_damaged_files_are_read_or_refused(tmp_path, name):
    said = bounded(tmp_path, f"""
import sys, warnings
sys.path[:0] = {[os.path.dirname(__file__)]!r}
warnings.simplefilter("ignore")
from test_data_files import good_files, mutants
print(mutants({name!r}, good_files()[{name!r}]))
""", 3, 300)
    assert 20 < int(said) < 500 or name == "y.txt"


def test_half_a_label_is_refused_by_the_comparison():
    graph = from_model([("dense", np.eye(2), [0, 0]), "softmax"])
    x = np.random.default_rng(0).normal(size=(40, 2))
    result = quantize(graph, x)
    assert result.compare(x, x.argmax(1))["accuracy_float"] == 1
