"""Memory is known before: figures never above AIfES's, and the heap that quantizing takes."""
from pathlib import Path

import pytest
from bench.memory import networks
from conftest import micropython
from test_device import run

# on a heap filled up to what heap_size() states, from the bottom, so that the rest is one piece
PROGRAM = """
import gc
from array import array
import aifes
seed = 1
def numbers(n):
    global seed
    found = array("f", bytes(4 * n))
    for i in range(n):
        seed = (seed * 1103 + 12345) % 999983
        found[i] = seed / 500000 - 1
    return found
sizes = {sizes}
layers = [aifes.Input(sizes[0])]
for n, m in zip(sizes, sizes[1:]):
    layers += [aifes.Dense(m, numbers(n * m), numbers(m)), aifes.{kind}()]
quantizer = aifes.Quantizer(aifes.load(aifes.Sequential(layers, dtype="f").to_bytes()), {method!r})
del layers
memory = bytearray(quantizer.parameter_memory_size())
samples = numbers({count} * sizes[0])
import aifes.quantizer.equalize
aifes.load(aifes.Sequential([aifes.Input(1, (0, 0)), aifes.Softmax()]).to_bytes())  # the code
stated = quantizer.heap_size()
gc.collect()
full = [None] * 24000
i = 0
while gc.mem_free() > stated + {missing}:
    full[i] = bytearray(8)
    i += 1
net = quantizer.run(samples, memory)
print(stated, len(net._buf), len(memory))
"""
CASES = [((3, 3, 2), 3, "LeakyReLU"), ((16, 32, 16, 4), 40, "Tanh"), ((64, 32, 10), 50, "ReLU"),
         ((2, 3, 3, 3, 3, 3, 2), 40, "Sigmoid"), ((64, 128, 64, 10), 10, "ELU")]


def quantize(sizes, count, kind, method, native_x64, missing=0):
    device = Path(__file__).parents[1] / "device"
    return run(micropython(), ["-X", "heapsize=1100k", "-c", PROGRAM.format(
        sizes=sizes, count=count, kind=kind, method=method, missing=missing)],
        f"{device}:{native_x64}")


@pytest.mark.parametrize("method", ["mse", "aifes"])
@pytest.mark.parametrize("sizes, count, kind", CASES)
def test_heap_is_stated_and_kept(sizes, count, kind, method, native_x64):
    if method == "aifes" and sizes[0] == 64:
        count, kind = 1, "Softmax"  # ranges within 8 bits
    stated, used, memory = map(int, quantize(sizes, count, kind, method, native_x64).split())
    print(f"{sizes}: {stated} bytes of heap stated, the model {used} of {memory} bytes")
    assert used <= memory <= 1.05 * used + 400


def test_the_measure_sees_too_little_heap(native_x64):
    with pytest.raises(AssertionError, match=r"MemoryError|needs \d+ bytes in one piece"):
        quantize(*CASES[1], "mse", native_x64, missing=-30000)


def test_never_more_than_aifes():
    n = 0
    for record, net in networks():
        assert net.parameter_memory_size() <= record["sizeof_parameter_memory"], record
        assert net.inference_memory_size() <= record["sizeof_inference_memory"], record
        n += 1
    assert n == 19
