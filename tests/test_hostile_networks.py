"""ONNX and .pt2 files made to hurt or damaged: one sentence each, in little memory and time."""
import io
import json
import os
import zipfile

import numpy as np
import pytest
from aifes_host import ConversionError, from_model, read_network
from damaged import outcomes
from frameworks import need
from mutate import mutations

pytestmark = pytest.mark.xdist_group("torch")  # which takes seconds to import
WEIGHTS = np.arange(20, dtype="f").reshape(4, 5)


@pytest.fixture(scope="module")
def onnx():
    return need("onnx")


def model(onnx, nodes, constants, inputs=("x",), outputs=("y",), n=4):
    """nodes: (operator, inputs, output, attributes)."""
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(op, read.split(), [made], name=f"{op}_{made}", **attributes)
         for op, read, made, attributes in nodes], "g",
        [helper.make_tensor_value_info(i, 1, ["n", n]) for i in inputs],
        [helper.make_tensor_value_info(o, 1, None) for o in outputs],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def loop(onnx):
    from onnx import helper

    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Add", ["v", "v"], ["w"])],
        "body", [info("i", 7, []), info("c", 9, []), info("v", 1, [])],
        [info("d", 9, []), info("w", 1, [])])
    return {"body": body}


def test_operators_that_make_much_of_little(onnx, tmp_path):
    turns, one, big = np.int64(2 ** 40), np.float32(1), np.array([4, 200_000_000])
    dense = ("MatMul", "x w", "y", {})
    column, row = np.zeros((9000, 1), "f"), np.zeros((1, 9000), "f")
    many = [("ConstantOfShape", "s", f"w{i}", {}) for i in range(50)]
    cases = {
        "loop": ([("Loop", "m c v", "w", loop(onnx)), dense],
                 {"m": turns, "c": np.bool_(True), "v": one}, r"\(Loop\)"),
        "shape": ([("ConstantOfShape", "s", "w", {}), dense], {"s": big}, "no|more than a board"),
        "expand": ([("Expand", "v s", "w", {}), dense], {"s": big, "v": one}, "more than a board"),
        "tile": ([("Tile", "v s", "w", {}), dense], {"s": big, "v": one}, r"\(Tile\)"),
        "range": ([("Range", "a m b", "w", {}), dense],
                  {"a": np.int64(0), "m": turns, "b": np.int64(1)}, r"\(Range\)"),
        "outer": ([("Add", "c r", "w", {}), dense], {"c": column, "r": row}, "more than a board"),
        "gather": ([("Gather", "c i", "w", {}), dense],
                   {"c": row.reshape(1, 9000, 1), "i": np.zeros(99_999, int)}, "no board"),
        "many": (many + [("Concat", " ".join(f"w{i}" for i in range(50)), "w", {"axis": 1}), dense],
                 {"s": np.array([4, 1_000_000])}, "more than a board"),
        "reused": ([("MatMul", "x a", "v0", {})] + [
            ("MatMul", f"v{i} w", f"v{i + 1}" if i < 99 else "y", {}) for i in range(100)],
            {"a": np.ones((4, 2000), "f"), "w": np.ones((2000, 2000), "f")}, "weights: no board"),
        "deep": ([("MatMul", "x w", "v0", {})] + [
            ("Relu", f"v{i}", f"v{i + 1}" if i < 19_999 else "y", {}) for i in range(20_000)],
            {"w": WEIGHTS}, "20001 operations"),
        "row": ([("MatMul", "x w", "v0", {})] + [
            ("Tanh", f"v{i}", f"v{i + 1}" if i < 999 else "y", {}) for i in range(1000)],
            {"w": WEIGHTS}, "in a row")}
    for name, (nodes, constants, _) in cases.items():
        (tmp_path / f"{name}.onnx").write_bytes(model(onnx, nodes, constants).SerializeToString())
    read, _, said = outcomes(tmp_path)
    assert read == 0
    for name, sentence in zip(sorted(cases), said):
        with pytest.raises(ConversionError, match=cases[name][2]):
            raise ConversionError(sentence)


@pytest.mark.parametrize("dims, words", [
    ([4, 1 << 40], "shape"), ([1 << 62, 1 << 62], "shape"), ([-4, -1], "shape"),
    ([4, 1000], "damaged"), ([0, 5], "finite|input|inputs")])
def test_constants_that_are_not_there(onnx, dims, words):
    made = model(onnx, [("MatMul", "x w", "y", {})], {})
    made.graph.initializer.append(onnx.TensorProto(
        name="w", data_type=1, dims=dims, raw_data=b"" if 0 in dims else b"\0" * 16))
    with pytest.raises(ConversionError, match=words):
        from_model(made)


@pytest.mark.parametrize("nodes, constants, words", [
    ([("MatMul", "x w", "y", {})], {"w": WEIGHTS * np.nan}, "finite"),
    ([("MatMul", "x w", "y", {})], {"w": np.full((4, 5), 1e39)}, "finite|float32|large"),
    ([("MatMul", "x w", "y", {})], {"w": np.ones((4, 5), np.int8)}, "not float"),
    ([("MatMul", "x w", "y", {})], {"w": np.ones((4, 5), np.complex64)}, "type"),
    ([("MatMul", "x w", "h", {}), ("LeakyRelu", "h", "y", {"alpha": np.nan})], {}, "finite"),
    ([("MatMul", "x w", "h", {}), ("Celu", "h", "y", {"alpha": 0.0})], {}, "alpha 0"),
    ([("MatMul", "x w", "h", {}), ("Elu", "h", "y", {"alpha": b"big"})], {}, "damaged"),
    ([("MatMul", "x w", "h", {}), ("Add", "h c", "y", {})], {"c": np.float32(np.nan)}, "finite"),
    ([("MatMul", "x w", "h", {}), ("Div", "h c", "y", {})], {"c": np.float32(0)}, "finite"),
    ([("MatMul", "x w", "h", {}), ("Clip", "h c d", "y", {})],
     {"c": np.float32(3), "d": np.float32(1)}, "order"),
    ([("Relu", "b", "a", {}), ("MatMul", "a w", "b", {}), ("Relu", "b", "y", {})], {}, "input"),
    ([("MatMul", "x w", "a", {}), ("Relu", "a", "a", {}), ("Tanh", "a", "y", {})], {}, "twice"),
    ([("MatMul", "x w", "a", {}), ("Div", "a x", "y", {})], {}, "only a sum"),
    ([("MatMul", "x w", "h", {}), ("Cast", "h", "i", {"to": 7}), ("Cast", "i", "y", {"to": 1})],
     {}, r"\(Cast\)"),
    ([("Shape", "x", "s", {}), ("Gather", "s i", "n", {}), ("Cast", "n", "f", {"to": 1}),
      ("MatMul", "x w", "h", {}), ("Div", "h f", "y", {})], {"i": np.int64(0)}, "samples"),
    ([("Gemm", "x w b", "y", {})], {"b": np.zeros((5, 1), "f")}, "bias of shape"),
    ([("Mul", "x c", "h", {}), ("Relu", "h", "y", {})], {"c": np.float32(2), "n": 9999}, "scaling"),
    ([("MatMul", "x w", "h", {}), ("Mul", "h s", "y", {})], {}, "no operation before"),
    ([("MatMul", "x w", "h", {}), ("PRelu", "h s", "y", {})], {"s": WEIGHTS[1]}, "one slope"),
])
def test_parts_that_cannot_be(onnx, nodes, constants, words):
    n = constants.pop("n", 4)
    with pytest.raises(ConversionError, match=words):
        from_model(model(onnx, nodes, {"w": WEIGHTS, **constants}, n=n))


@pytest.fixture()
def external(onnx, tmp_path):
    """(the path of a model whose weights are in net.onnx.data, a function that changes where)."""
    path = tmp_path / "nets" / "net.onnx"
    path.parent.mkdir()
    onnx.save(model(onnx, [("MatMul", "x w", "y", {})], {"w": WEIGHTS}), path,
              save_as_external_data=True, location="net.onnx.data", size_threshold=0)

    def change(**entries):
        made = onnx.load(path, load_external_data=False)
        for e in made.graph.initializer[0].external_data:
            e.value = str(entries.get(e.key, e.value))
        path.write_bytes(made.SerializeToString())

    return path, change


def test_weights_beside_the_file(onnx, external):
    path, _ = external
    assert (read_network(str(path)).layers[0].weights == WEIGHTS).all()
    with pytest.raises(ConversionError, match="onnx.load"):
        from_model(onnx.load(path, load_external_data=False))
    data = path.with_name("net.onnx.data")
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(ConversionError, match="not whole in 'net.onnx.data'"):
        read_network(str(path))
    data.unlink()
    with pytest.raises(ConversionError, match="in 'net.onnx.data', which is not beside it"):
        read_network(str(path))


@pytest.mark.parametrize("entries, words", [
    ({"location": "../../etc/passwd"}, "outside"), ({"location": "/etc/passwd"}, "outside"),
    ({"location": ""}, "outside"), ({"location": "link"}, "outside"), ({"location": "."}, "beside"),
    ({"offset": 1 << 62}, "not whole"), ({"offset": -8}, "not whole"),
    ({"length": 1 << 62}, "not whole"), ({"length": 4}, "not whole"), ({"offset": "x"}, "damaged")])
def test_weights_elsewhere_are_not_read(external, entries, words):
    path, change = external
    os.symlink("/etc/passwd", path.with_name("link"))
    change(**entries)
    with pytest.raises(ConversionError, match=words):
        read_network(str(path))


@pytest.fixture(scope="module")
def pt2(tmp_path_factory):
    """The parts of a .pt2 file, by name."""
    torch = need("torch")
    nn = torch.nn
    net = nn.Sequential(nn.Linear(4, 5), nn.Hardtanh(), nn.Linear(5, 3), nn.SiLU(), nn.Softmax(1))
    path = tmp_path_factory.mktemp("pt2") / "net.pt2"
    torch.export.save(torch.export.export(net, (torch.zeros(2, 4),)), path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_pt2_of_much_from_little(pt2, tmp_path):
    key = {name.partition("/")[2]: name for name in pt2}
    config, program = key["data/weights/model_weights_config.json"], key["models/model.json"]

    def tensor(**changes):
        made = json.loads(pt2[config])
        made["config"]["0.weight"]["tensor_meta"].update(changes)
        return packed(dict(pt2, **{config: json.dumps(made).encode()}))

    def ints(*values):
        return [{"as_int": v} for v in values]

    newer = bytearray(packed(pt2))
    newer[newer.rindex(b"PK\1\2") + 6] = 126
    cases = {
        "newer": (bytes(newer), "not whole"),
        "strides": (tensor(sizes=ints(10 ** 5, 10 ** 5), strides=ints(0, 0)), "no more than"),
        "sizes": (tensor(sizes=ints(10 ** 400, 4)), "no more than"),
        "outside": (tensor(strides=ints(10 ** 400, 1)), "truncated"),
        "before": (tensor(storage_offset={"as_int": -4}), "truncated"),
        "backwards": (tensor(strides=ints(-4, 1)), "truncated"),
        "rank": (tensor(strides=ints(1)), "shape"),
        "type": (tensor(dtype=9), "element type"),
        "bomb": (packed(dict(pt2, **{program: b" " * (1 << 30)}),
                        compression=zipfile.ZIP_DEFLATED), "more than a network"),
        "nested": (packed(dict(pt2, **{program: b"[" * 100_000})), "cannot be read"),
        "digits": (packed(dict(pt2, **{program: b"9" * 5000})), "cannot be read"),
        "text": (packed(dict(pt2, **{program: b"\xff\xfe{}"})), "cannot be read")}
    for name, (data, _) in cases.items():
        (tmp_path / f"{name}.pt2").write_bytes(data)
    read, _, said = outcomes(tmp_path)
    assert read == 0
    for name, sentence in zip(sorted(cases), said):
        with pytest.raises(ConversionError, match=cases[name][1]):
            raise ConversionError(sentence)


def test_500_damaged_files_of_onnx(onnx, tmp_path):
    whole = model(onnx, [
        ("Reshape", "x s", "f", {}), ("Gemm", "f w b", "a", {"alpha": 0.5}),
        ("LeakyRelu", "a", "c", {"alpha": 0.1}), ("Sigmoid", "c", "d", {}), ("Mul", "c d", "e", {}),
        ("Clip", "e low high", "y", {})],
        {"w": WEIGHTS, "b": WEIGHTS[0], "s": np.array([0, -1]), "low": np.float32(-1),
         "high": np.float32(2)}).SerializeToString()
    for i, data in enumerate(mutations(whole, 500)):
        (tmp_path / f"{i}.onnx").write_bytes(data)
    read, refused, _ = outcomes(tmp_path)
    assert read and refused and read + refused == 500


@pytest.mark.parametrize("part", [
    None, "models/model.json", "data/weights/model_weights_config.json"])
def test_500_damaged_files_of_pytorch(pt2, tmp_path, part):
    """part: the member that is damaged, with its checksum right again; None: the file as it is."""
    name = next((n for n in pt2 if n.partition("/")[2] == part), None)
    for i, data in enumerate(mutations(packed(pt2) if part is None else pt2[name], 500)):
        (tmp_path / f"{i}.pt2").write_bytes(
            data if part is None else packed(dict(pt2, **{name: data})))
    read, refused, _ = outcomes(tmp_path)
    assert refused and read + refused == 500


def images(onnx, nodes, constants, shape=(2, 6, 5)):
    made = model(onnx, nodes, constants)
    dims = made.graph.input[0].type.tensor_type.shape.dim
    dims[1].dim_value = shape[0]
    for d in shape[1:]:
        dims.add().dim_value = d
    return made


KERNEL = np.ones((4, 2, 3, 3), "f")


@pytest.mark.parametrize("node, constants, words", [
    (("Conv", "x w", "y", {"strides": [0, 1]}), {}, "strides.*from 1"),
    (("Conv", "x w", "y", {"strides": [1, 1, 1]}), {}, "give 2 whole"),
    (("Conv", "x w", "y", {"dilations": [-1, 1]}), {}, "dilations.*from 1"),
    (("Conv", "x w", "y", {"dilations": [255, 255]}), {}, "larger images"),
    (("Conv", "x w", "y", {"dilations": [9999, 1]}), {}, "from 1 to 255"),
    (("Conv", "x w", "y", {"pads": [-1, 0, 0, 0]}), {}, "pads.*from 0"),
    (("Conv", "x w", "y", {"pads": [60000] * 4}), {}, "a board holds"),
    (("Conv", "x w", "y", {"pads": [1 << 40] * 4}), {}, "pads.*from 0 to 65535"),
    (("Conv", "x w", "y", {"pads": [1]}), {}, "padding that is not known"),
    (("Conv", "x w", "y", {"auto_pad": "SAME"}), {}, "padding that is not known"),
    (("Conv", "x w", "y", {"group": 0}), {}, "channels"),
    (("Conv", "x w", "y", {"group": -2}), {}, "channels"),
    (("Conv", "x w", "y", {"group": 3}), {}, "channels"),
    (("Conv", "x w", "y", {"kernel_shape": [5, 5]}), {}, "kernel"),
    (("Conv", "x w", "y", {}), {"w": np.ones((4, 3, 3, 3), "f")}, "channels"),
    (("Conv", "x w", "y", {}), {"w": np.ones((4, 2), "f")}, "kernel"),
    (("Conv", "x w", "y", {}), {"w": np.ones((4, 2, 0, 3), "f")}, "one of each|larger|finite"),
    (("Conv", "x w", "y", {}), {"w": KERNEL * np.nan}, "finite"),
    (("Conv", "x w", "y", {}), {"w": np.ones((1, 2, 300, 3), "f")}, "255 rows"),
    (("Conv", "x w b", "y", {}), {"b": np.ones(3, "f")}, "bias"),
    (("Conv", "x x", "y", {}), {}, "not float constants|several"),
    (("ConvTranspose", "x t", "y", {"strides": [200, 200]}), {}, "a board holds"),
    (("ConvTranspose", "x t", "y", {"strides": [300, 1]}), {}, "from 1 to 255"),
    (("ConvTranspose", "x t", "y", {"group": 0}), {}, "channels"),
    (("ConvTranspose", "x t", "y", {"output_padding": [1 << 40, 0]}), {}, "output_padding"),
    (("ConvTranspose", "x t", "y", {"output_shape": [3, 3]}), {}, "output_shape"),
    (("Pad", "x p", "y", {}), {"p": np.array([0, 0, 1 << 40, 0] * 2)}, "pads"),
    (("Pad", "x p", "y", {}), {"p": np.array([0, 0, 60000, 60000] * 2)}, "a board holds"),
    (("Pad", "x p", "y", {}), {"p": np.array([1, 0, 0, 0] * 2)}, "otherwise than with zeros"),
    (("Pad", "x p", "y", {"mode": "wrap"}), {"p": np.array([0, 0, 1, 1] * 2)}, "otherwise"),
    (("Transpose", "x", "y", {"perm": [1, 0, 2, 3]}), {}, "samples"),
    (("Transpose", "x", "y", {"perm": [0, 1, 1, 7]}), {}, "samples"),
])
def test_images_that_cannot_be(onnx, node, constants, words):
    made = images(onnx, [node], {"w": KERNEL, "t": np.ones((2, 4, 3, 3), "f"), **constants})
    with pytest.raises(ConversionError, match=words):
        from_model(made)


@pytest.mark.parametrize("node, words", [
    (("MaxPool", "x", "h", {"kernel_shape": [0, 2]}), "kernel_shape.*from 1"),
    (("MaxPool", "x", "h", {"kernel_shape": [1 << 40, 2]}), "kernel_shape.*from 1"),
    (("MaxPool", "x", "h", {"kernel_shape": [9, 9]}), "larger images"),
    (("MaxPool", "x", "h", {"kernel_shape": [2, 2], "strides": [0, 0]}), "strides.*from 1"),
    (("MaxPool", "x", "h", {"kernel_shape": [2, 2], "pads": [2, 2, 2, 2]}), "nothing but its"),
    (("MaxPool", "x", "h", {}), "damaged"),
    (("ReduceMean", "x a", "h", {}), "all rows and columns"),
])
def test_pooling_that_cannot_be(onnx, node, words):
    made = images(onnx, [node, ("Conv", "h w", "y", {})], {
        "w": np.ones((4, 2, 1, 1), "f"), "a": np.array([1])})
    with pytest.raises(ConversionError, match=words):
        from_model(made)


def test_500_damaged_files_of_images(onnx, tmp_path):
    whole = images(onnx, [
        ("Pad", "x p", "q", {}), ("Conv", "q w b", "a", {"strides": [2, 1], "group": 1}),
        ("MaxPool", "a", "m", {"kernel_shape": [2, 2], "pads": [1, 0, 0, 1]}),
        ("ConvTranspose", "m t", "c", {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ("AveragePool", "c", "d", {"kernel_shape": [2, 2], "count_include_pad": 1}),
        ("Transpose", "d", "e", {"perm": [0, 2, 3, 1]}), ("Flatten", "e", "f", {}),
        ("Gemm", "f v", "y", {})],
        {"p": np.array([0, 0, 1, 0, 0, 0, 0, 1]), "w": KERNEL, "b": np.ones(4, "f"),
         "t": np.ones((4, 2, 3, 3), "f"), "v": np.ones((48, 2), "f")}).SerializeToString()
    for i, data in enumerate(mutations(whole, 500)):
        (tmp_path / f"{i}.onnx").write_bytes(data)
    read, refused, _ = outcomes(tmp_path)
    assert read and refused and read + refused == 500
