"""AIfES's tutorial net: all variants, every layer, by parameter buffer."""
from array import array
from binascii import unhexlify

import aifes
import cases


def network(record, layers=5, alpha=None):
    transposed = record["layer_kind"] == "DENSE_WT"
    return aifes.Sequential([
        aifes.Input(3), aifes.Dense(3, transposed=transposed),
        aifes.LeakyReLU(tuple(record["alpha"])), aifes.Dense(2, transposed=transposed),
        aifes.Sigmoid()][:layers])


def check(record, align, buffer):
    net = network(record)
    assert net.parameter_memory_size(align) == len(bytes(buffer))
    net.load_parameters(buffer, align)
    assert net.inference_memory_size() <= record["sizeof_inference_memory"]
    for depth in range(1, 5):
        part = aifes.Sequential(net.layers[:depth + 1])
        model = part.schedule_inference_memory(bytearray(part.inference_memory_size()))
        assert (model.output_scale, model.output_zero_point) == (
            2.0 ** -record["layer_q_params"][depth][0], record["layer_q_params"][depth][1])
        for i in range(3):
            y = array("b", bytes(model.output_shape[0]))
            model.run(array("f", record["inputs"][i]), y)
            assert list(y) == record["q7_layers_per_input"][i][depth], (align, depth, i)
    for i in range(3):
        assert list(cases.run_int8(model, array("b", record["q7_inputs"][i]))) == \
            record["q7_output"][i]
        assert model.predict(record["inputs"][i]) == record["output_float"][i]


def loaded(record, buffer):
    """The .aifes buffer of the net with these parameters."""
    net = network(record)
    net.load_parameters(buffer, 4)
    return bytes(net.to_bytes())


def test_all_variants():
    n = 0
    for record in cases.records("tutorial"):
        for align, text in record["buffers"]:
            check(record, align, unhexlify(text))
            n += 1
        if record["layer_kind"] == "DENSE":
            documented = unhexlify(record["documented"])
            check(record, 4, documented)
            model = loaded(record, documented)
            for kind, size in (("I", 4), ("i", 4), ("H", 2), ("h", 2), ("B", 1), ("b", 1)):
                words = array(kind, documented)
                assert len(words) == 76 // size
                assert loaded(record, words) == loaded(record, memoryview(words)) == model
            assert loaded(record, bytearray(documented)) == model
        assert network(record).parameter_memory_size() == record["sizeof_parameter_memory"]
    assert n == 16, n
