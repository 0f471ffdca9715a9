"""net(x, y, 0) for the engines in Python: samples of floats or int8, moved through a byte stream.

A stream is the one bridge between floats and their bits that allocates nothing anywhere.
"""
import io

from .format import size
from .model import flat

TELLS_TYPE = hasattr(memoryview(b""), "format")  # CPython


class Samples:
    """What an Engine inherits; it has forward() and two methods for float32:

    _quantize(x): all of x, whose bytes are in the stream too, into the arena;
    _dequantize(y): the output into y; the stream is free for it, and at 0.
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
        try:
            count = len(x) // n
            if not count or count * n != len(x) or count * m != len(y):
                return -1
            if TELLS_TYPE:
                x, y = flat(x), flat(y)
            if count == 1:
                return self._sample(x, y)
            x, y = memoryview(x), memoryview(y)
            for i in range(count):
                if self._sample(x[i * n:(i + 1) * n], y[i * m:(i + 1) * m]):
                    return -1
        except TypeError:  # x is no buffer, y is none that can be written
            return -1
        return 0

    def _sample(self, x, y):
        stream = self._io
        y_size = self._item_size(y, self._n_out)
        stream.seek(0)
        stream.readinto(y)  # its own bytes: refuses what is read-only; a pointer would not
        x_size = self._item_size(x, self._n_in)  # leaves the bytes of x in the stream
        if not x_size or not y_size:
            return -1
        stream.seek(0)
        if x_size == 4:
            self._quantize(x)
        else:
            stream.readinto(self._input)
        self.forward()
        stream.seek(0)
        if y_size == 4:
            self._dequantize(y)
        else:
            self._move(self._output, y)
        return 0

    def _move(self, source, target):
        """Bytes from one buffer to another, which may overlap; the stream is at 0."""
        self._io.write(source)
        self._io.seek(0)
        self._io.readinto(target)

    def _item_size(self, buf, n):
        """Bytes of one item of a buffer of n items, which is copied to the stream; 0: wrong."""
        self._io.seek(0)
        total = 0 if isinstance(buf, str) else self._io.write(buf)
        kind = buf.format if TELLS_TYPE else ""
        if total == n and kind in ("", "b", "B", "c") or total == 4 * n and kind in ("", "f"):
            return total // n
        return 0
