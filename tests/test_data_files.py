"""Data and classes in files: read, or refused in one sentence; never guessed."""
import json
import os

import numpy as np
import pytest
from aifes_host import ConversionError, from_model, quantize, read_data, read_network
from aifes_host.sources import read_labels, read_targets
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


def test_half_a_label_is_refused_by_the_comparison():
    graph = from_model([("dense", np.eye(2), [0, 0]), "softmax"])
    x = np.random.default_rng(0).normal(size=(40, 2))
    result = quantize(graph, x)
    assert result.compare(x, x.argmax(1))["accuracy_float"] == 1
