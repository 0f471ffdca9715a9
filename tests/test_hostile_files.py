"""Files that are damaged, huge or no files: what reads them stays within its memory and time."""
import io
import json
import os
import resource
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from aifes_host import ConversionError, read_data, read_network
from aifes_host.sources import read_labels, read_targets
from mutate import mutations
from test_data_files import data, refusal


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
from test_hostile_files import good_files, mutants
print(mutants({name!r}, good_files()[{name!r}]))
""", 3, 300)
    assert 20 < int(said) < 500 or name == "y.txt"
