"""Models that are read in pieces: results, heap, and files that change while they run."""
import gc
import os
from array import array

import aifes
import cases

PATH = "pieces_test.aifes"


def write(data):
    with open(PATH, "wb") as f:
        f.write(data)


def models(only=None):
    """(record, bytes of the file) of each, or of one, which is the file of PATH."""
    for r in cases.records("pieces"):
        if only in (None, r["name"]):
            data = cases.unhexlify(r["file"])
            write(data)
            yield r, data
            if only:
                break
        r = data = None  # small heaps have no room for two
    os.remove(PATH)


def ends(net, text, first, last):
    """Buffers of all samples of each input or output, of hex digits: input after input."""
    found, at = [], 0
    data = cases.int8s(text)
    count = len(data) // sum([len(v) for v in (net.inputs + net.outputs)[first:last]])
    for view in (net.inputs + net.outputs)[first:last]:
        found.append(data[at:at + count * len(view)])
        at += count * len(view)
    return tuple(found), count


def files_allocate():
    """Whether reading a file takes heap: where the driver of the flash is written in Python."""
    buf = bytearray(512)
    with open(PATH, "rb") as f:
        def read():
            f.seek(0)
            f.readinto(buf)

        return cases.allocated(read) > 0


def single(buffers):
    return buffers[0] if len(buffers) == 1 else tuple(buffers)


def test_results():
    """Batches, single samples, int8 and floats, forward(); the heap of run()."""
    for r, _ in models():
        net = aifes.load(PATH)
        assert net.engine == cases.ENGINE and "read in pieces" in str(net)
        n = len(net.inputs)
        xs, count = ends(net, r["x"], 0, n)
        want, _ = ends(net, r["y"], n, 99)
        ys = [array("b", bytes(len(v))) for v in want]
        net.run(single(xs), single(ys))
        assert tuple(ys) == want, r["name"]
        for i in range(count):
            x = [v[i * len(v) // count:(i + 1) * len(v) // count] for v in xs]
            y = [array("b", bytes(len(v) // count)) for v in want]
            net.run(single(x), single(y))
            for k in range(len(y)):
                assert y[k] == want[k][i * len(y[k]):(i + 1) * len(y[k])], r["name"]
            for k in range(n):
                net.inputs[k][:] = x[k]
            net.forward()
            for k in range(len(y)):
                assert array("b", bytes(net.outputs[k])) == y[k]
        if hasattr(gc, "mem_alloc") and not files_allocate():
            assert cases.allocated(net.run, single(x), single(y)) == 0
            assert cases.allocated(net.forward) == 0
        floats = [array("f", bytes(4 * len(v))) for v in x + y]
        net.run(single(floats[:n]), single(floats[n:]))
        want = [list(v) for v in floats[n:]]
        assert net.predict(single([[0] * len(v) for v in x])) == (
            want if len(want) > 1 else want[0])
        r = net = None


def test_a_file_that_changes():
    for _, data in models("residual"):
        net = aifes.load(PATH)
        x, y = net.input[:], array("b", bytes(len(net.output)))
        net.run(x, y)
        net = None
        gc.collect()
        damaged = bytearray(data)
        damaged[len(damaged) - 5] ^= 1
        for bad in (damaged, data[:len(data) - 9], data[:30], data[:3]):
            write(bad)
            text = cases.raises(aifes.ModelError, aifes.load, PATH)
            assert 10 < len(text) < 200, text
        write(data)
        os.rename(PATH, PATH + ".old")
        write(damaged)
        net = aifes.load(PATH)
        os.remove(PATH + ".old")
        assert "in pieces" in str(net)
        assert "copy its file" in cases.raises(aifes.ModelError, net.save, "x.aifes")
        net = None


def test_damage_between_two_runs():
    for _ in models("residual"):
        net = aifes.load(PATH)
        before = net._net._parts[2]
        net._net._parts[2] = before[:2] + (before[2] ^ 1,)
        text = cases.raises(aifes.ModelError, net.forward)
        assert "has changed or is damaged, piece 2" in text
        net._net._parts[2] = before
        net.forward()
        net = None


class Failing:
    """A file whose k-th read fails: EIO from its seek or from its readinto, or too little."""

    def __init__(self, file, k, how):
        self.file, self.left, self.how = file, k, how

    def seek(self, *at):
        if self.how == "seek" and not self.left:
            raise OSError(5, "EIO")
        return self.file.seek(*at)

    def readinto(self, view):
        self.left -= 1
        if self.left == -1:
            if self.how == "short":
                return self.file.readinto(memoryview(view)[:len(view) - 1])
            self.file.readinto(memoryview(view)[:len(view) // 2])  # a part has arrived
            raise OSError(5, "EIO")
        return self.file.readinto(view)

    def close(self):
        self.file.close()


def test_a_read_that_fails():
    """Any one of an inference: one sentence; the next run is right, the file being whole again."""
    for r, _ in models("residual"):
        net = aifes.load(PATH)
        n = len(net.inputs)
        x = ends(net, r["x"], 0, n)[0][0][:len(net.input)]
        want = ends(net, r["y"], n, 99)[0][0][:len(net.output)]
        y = array("b", bytes(len(want)))
        reads = len(net._net._parts) - 2
        assert reads > 1
        for k in range(reads):
            for how in ("seek", "readinto", "short"):
                net._net._file = Failing(net._net._file, k, how)
                text = cases.raises(aifes.ModelError, net.run, x, y)
                assert "load it again, or copy it again" in text and len(text) < 200
                assert "changed" in text if how == "short" else "cannot be read" in text
                net._net._file = net._net._file.file
                for i in range(len(y)):
                    y[i] = 1
                net.run(x, y)
                assert y == want, (k, how)
        net = None
