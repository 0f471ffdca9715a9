"""Models whose ops take turns, and rows that are pushed, against the simulator of whole tensors."""
import gc
from array import array
from binascii import unhexlify

import aifes
import cases
from aifes import ModelError


def rows(record):
    """The rows of its input, and the results."""
    x, n = array("b", unhexlify(record["x"])), record["row"]
    return [x[i:i + n] for i in range(0, len(x), n)], [unhexlify(y) for y in record["y"]]


def test_run():
    n = 0
    for record in cases.records("rows"):
        model = aifes.load(unhexlify(record["model"]))
        assert model.engine == cases.ENGINE
        x, want = array("b", unhexlify(record["x"])), unhexlify(record["y"][0])
        n_in = 1
        for d in model.input_shape:
            n_in *= d
        y = array("b", want)
        for _ in range(2):
            for i in range(len(y)):
                y[i] = 1
            model.run(x[:n_in], y)
            assert bytes(y) == want, n
        n += 1
    assert n == 12


def test_push():
    for record in cases.records("rows"):
        model = aifes.load(unhexlify(record["model"]))
        if not record["pushed"]:
            assert not hasattr(model, "push") and not hasattr(model, "reset")
            continue
        xs, want = rows(record)
        y = array("b", unhexlify(record["y"][0]))
        for times in range(3):
            found = []
            for x in xs:
                if model.push(x, y):
                    found.append(bytes(y))
                    assert bytes(model.output) == bytes(y)
                    if times == 1:
                        break  # in the middle of what does not end
            assert found[:len(want)] == want[:len(found)] and found
            if times != 1:
                assert len(found) >= len(want)
            model.reset()


def test_nothing_is_allocated():
    if not hasattr(gc, "mem_alloc"):
        print("skipped: this interpreter has no gc.mem_alloc()")
        return
    for record in cases.records("rows"):
        model = aifes.load(unhexlify(record["model"]))
        if record["pushed"]:
            x, y = array("b", bytes(record["row"])), array("b", unhexlify(record["y"][0]))
            assert cases.allocated(model.push, x) == 0 and cases.allocated(model.push, x, y) == 0
        else:
            assert cases.allocated(model.forward) == 0


def refusal(function, *arguments):
    try:
        function(*arguments)
    except ModelError as error:
        return str(error)
    return ""


def test_what_is_refused():
    for record in cases.records("rows"):
        if not record["pushed"]:
            continue
        model = aifes.load(unhexlify(record["model"]))
        n = record["row"]
        for x in (array("b", bytes(n + 1)), array("h", bytes(2 * n)), bytes(0), [0] * n, "a" * n):
            assert "push() takes a row of %d numbers" % n in refusal(model.push, x), x
        assert "row by row" in refusal(model.forward)
        return


def test_floats():
    for record in cases.records("rows"):
        if record["pushed"] != "rows":
            continue
        model = aifes.load(unhexlify(record["model"]))
        scale, zero = model.input_scale, model.input_zero_point
        xs, want = rows(record)
        y = array("f", bytes(4 * len(unhexlify(record["y"][0]))))
        for x in xs:
            done = model.push(array("f", [(v - zero) * scale for v in x]), y)
        assert done
        got = [int(round(v / model.output_scale)) + model.output_zero_point for v in y]
        assert bytes(array("b", got)) == want[-1]


def test_a_source_that_fails():
    """In the middle of an image: a refused row changes nothing; after reset() another one begins;
    a whole one out of the caller's buffer is as good."""
    for record in cases.records("rows"):
        if record["pushed"] != "rows":
            continue
        model = aifes.load(unhexlify(record["model"]))
        xs, want = rows(record)
        whole = array("b", unhexlify(record["x"]))
        y = array("b", unhexlify(record["y"][0]))
        for k in range(len(xs)):
            for x in xs[:k]:
                assert not model.push(x, y)
            assert "push() takes a row" in refusal(model.push, bytes(0))
            if k % 3 == 0:
                model.reset()
            elif k % 3 == 1:
                model.run(whole, y)
                assert bytes(y) == want[0]
                model.reset()
            for x in xs[k if k % 3 == 2 else 0:]:
                y[0] ^= 1
                done = model.push(x, y)
            assert done and bytes(y) == want[0], k
