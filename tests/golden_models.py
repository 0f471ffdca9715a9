"""AIfES's reference data as models with inputs and outputs, also as files of golden_file.py."""
import struct
import zlib

import aifes
import cases
import make_device_data
import test_nets
from aifes.format import CRC_FROM, HEADER, HEADER_SIZE, frame
from aifes_host.boards.runtime import TARGETS
from aifes_host.layout import arrange
from golden_file import ENGINES, HEAD

MAPS = 541 + 72  # activations and softmax; layers and nets follow
PYTHON_EVERY = 10  # of them: the Python engine takes seconds for one on a Pico


def tutorial():
    """AIfES's tutorial net with the parameters of its documentation, as a model."""
    net = aifes.Sequential([aifes.Input(3), aifes.Dense(3), aifes.LeakyReLU((1, 7, 0)),
                            aifes.Dense(2), aifes.Sigmoid()])
    net.load_parameters(bytes.fromhex(
        make_device_data.read("tutorial.json")["documented_buffer_align4_dense_hex"]))
    return net.to_bytes()


def models(data):
    """(model, inputs, outputs): maps, softmax, activations in nets, nets from end to end.

    Dense layers run as parts of their nets; alone in those that differ from ours in softsign.
    data: the folder that make_device_data wrote.
    """
    cases.DATA = str(data)
    every = bytes((v + 128 & 255) ^ 128 for v in range(-128, 128))
    for r in cases.records("maps"):
        if r["defined"]:
            net = aifes.Sequential([aifes.Input(256, tuple(r["q"])),
                                    cases.activation(r["act"], r["alpha"])])
            want = bytearray.fromhex(r["want"])
            if r["act"] == "softsign":
                want[r["q"][1] + 128] = 0  # AIfES stores its input's zero point there
            yield net.to_bytes(), every, want
    for r in cases.records("softmax"):
        net = aifes.Sequential([aifes.Input(r["n"], (r["shift"], 0)), aifes.Softmax()])
        yield net.to_bytes(), bytes.fromhex(r["x"]), bytes.fromhex(r["want"])
    for record in cases.records("nets"):
        q, x = tuple(record["q"]), cases.int8s(record["x"])
        layers, quirk = [aifes.Input(record["n"], q)], test_nets.is_quirk(record)
        for r in record["layers"]:
            layers.append(test_nets.layer_of(r))
            if quirk or r["act"] != "dense":
                net = aifes.Sequential([aifes.Input(len(x) // 16, q), layers[-1]])
                yield net.to_bytes(), bytes(x), bytes(test_nets.expected(r, x, q))
            q, x = tuple(r["out"]), cases.int8s(r["want"])
        if not quirk:
            yield aifes.Sequential(layers).to_bytes(), bytes.fromhex(record["x"]), bytes(x)


def stripped(model):
    """A model without its metadata: hundreds of them must fit a flash."""
    at, _ = frame(model).metadata
    header = list(struct.unpack_from(HEADER, model))
    header[3], header[-2:] = at, (at, 0)
    found = bytearray(struct.pack(HEADER, *header) + model[HEADER_SIZE:at])
    struct.pack_into("<I", found, CRC_FROM - 4, zlib.crc32(found[CRC_FROM:]))
    return bytes(found)


def files(data, arch, engines, size=1 << 30):
    """(contents, number of results) of each file of at most `size` bytes.

    arch: of the board; every second model has the weights in the order that is fastest there.
    """
    contents, results, last, n = bytearray(), 0, None, 0
    for n, (model, x, want) in enumerate(models(data), 1):
        model = stripped(arrange(model, TARGETS.get(arch, "any") if n % 2 else "any"))
        bits = [i for i, e in enumerate(ENGINES) if e in engines and (
            e != "python" or n <= MAPS or n % PYTHON_EVERY == 0)]
        if len(contents) + len(model) + len(x) + 12 > size and contents:
            yield bytes(contents), results
            contents, results, last = bytearray(), 0, None
        contents += struct.pack(HEAD, len(model), 0 if x == last else len(x),
                                sum(1 << i for i in bits), 0, zlib.crc32(want))
        contents += model + (b"" if x == last else x)
        results += len(bits)
        last = x
    assert n == MAPS + 354 + 84, n
    yield bytes(contents), results
