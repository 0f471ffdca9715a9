"""net(x, y, 0) for the engines in Python: samples of floats or int8, moved through a byte stream.

A stream is the one bridge between floats and their bits that allocates nothing anywhere.
"""
import io

from .format import ModelError, size


def count_samples(x, y, n, m):
    """How many samples of n elements x and of m elements y holds; ModelError if they differ."""
    try:
        n_x, n_y = len(x), len(y)
    except TypeError:
        raise ModelError("run(x, y) takes two buffers such as array('f') or array('b')")
    count = n_x // n
    if not count or count * n != n_x or count * m != n_y:
        raise ModelError(f"x has {n_x} and y {n_y} elements; a sample has {n} in and {m} out")
    return count


def refuse(x, y, plan):
    """Say what is wrong with an x or y that the C engine did not take."""
    count_samples(x, y, size(plan.input.shape), size(plan.output.shape))
    raise ModelError("run(x, y) takes buffers of float32 (array 'f') or int8 ('b'), y writable; "
                     "predict() takes lists")


class Samples:
    """What an Engine inherits; it has forward() and two methods for float32:

    _quantize(x): all of x, whose bytes are in the stream too, into the arena;
    _dequantize(y): the output into y, with the stream at 0; TypeError if y is read-only.
    """

    def __init__(self, buf, plan, arena):
        self._buf = buf
        self._plan = plan
        self._n_in = size(plan.input.shape)
        self._n_out = size(plan.output.shape)
        self._input = arena[plan.input.offset:plan.input.offset + self._n_in]
        self._output = arena[plan.output.offset:plan.output.offset + self._n_out]
        self.ram = min(4 * max(self._n_in, self._n_out), 4096)
        self._io = io.BytesIO()
        self._io.write(bytes(self.ram))

    def __call__(self, x, y=None, at=None):
        if at is None:
            self.forward()
            return 0
        n, m = self._n_in, self._n_out
        count = count_samples(x, y, n, m)
        if count == 1:
            self._sample(x, y)
            return 0
        try:
            x, y = memoryview(x), memoryview(y)
        except TypeError:
            raise ModelError("run(x, y) takes buffers such as array('f'); predict() takes lists")
        for i in range(count):
            self._sample(x[i * n:(i + 1) * n], y[i * m:(i + 1) * m])
        return 0

    def _sample(self, x, y):
        stream = self._io
        is_float = self._item_size(y, self._n_out) == 4
        x_is_float = self._item_size(x, self._n_in) == 4  # leaves the bytes of x in the stream
        stream.seek(0)
        if x_is_float:
            self._quantize(x)
        else:
            stream.readinto(self._input)
        self.forward()
        stream.seek(0)
        try:
            if is_float:
                self._dequantize(y)
            else:
                stream.write(self._output)
                stream.seek(0)
                stream.readinto(y)
        except TypeError:
            raise ModelError("y is read-only: give a buffer that can be written")

    def _item_size(self, buf, n):
        """Bytes of one item of a buffer of n items, which is copied to the stream."""
        self._io.seek(0)
        try:
            total = self._io.write(buf)
        except TypeError:
            raise ModelError("run(x, y) takes buffers such as array('f'); predict() takes lists")
        if total != n and (total != 4 * n or
                           # only CPython tells the type
                           getattr(buf, "typecode", getattr(buf, "format", "f")) != "f"):
            raise ModelError(f"items of {total // n} bytes, give float32 (array 'f') or int8 ('b')")
        return total // n
