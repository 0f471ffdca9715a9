"""net(x, y, 0) for the engines in Python: samples of floats or int8, moved through a byte stream.

A stream is the one bridge between floats and their bits that allocates nothing anywhere.
"""
import io

from .model import TELLS_TYPE, flat, size


class Samples:
    """What an Engine inherits; it has forward() and two methods for float32:

    _quantize(k, x): all of x, whose bytes are in the stream too, into input tensor k;
    _dequantize(k, y): output tensor k into y; the stream is free for it, and at 0.
    """

    def __init__(self, buf, plan, arena):
        self._buf = buf
        self._arena = arena
        self._n_inputs = plan.n_inputs
        self._tensors = plan.tensors[:plan.n_inputs + plan.n_outputs]
        self._sizes = [size(t.shape) for t in self._tensors]
        self._views = [self.part(t) for t in self._tensors]
        self.ram = min(4 * max(self._sizes), 4096)
        self._io = io.BytesIO()
        self._io.write(bytes(self.ram))
        self._n, self._m = self._sizes[0], self._sizes[1]
        self._several = None
        if len(self._sizes) > 2:
            from .several import run

            self._several = run

    def part(self, tensor):
        """A tensor's elements in the arena."""
        return self._arena[tensor.offset:tensor.offset + size(tensor.shape)]

    def __call__(self, x, y=None, at=None):
        if at is None:
            self.forward()
            return 0
        n, m = self._n, self._m
        try:
            if self._several:
                return self._several(self, x, y, at)
            count = len(x) // n
            if not count or count * n != len(x) or count * m != len(y):
                return -1
            if TELLS_TYPE:
                x, y = flat(x), flat(y)
            if count == 1:
                return self._one(x, y, n, m)
            x, y = memoryview(x), memoryview(y)
            for i in range(count):
                if self._one(x[i * n:(i + 1) * n], y[i * m:(i + 1) * m], n, m):
                    return -1
        except TypeError:  # x is no buffer, y is none that can be written
            return -1
        return 0

    def _one(self, x, y, n, m):
        """One sample of the only input, of n elements, and the only output, of m."""
        stream = self._io
        y_item = self._item_size(y, m)
        stream.seek(0)
        stream.readinto(y)  # its own bytes: refuses what is read-only; a pointer would not
        x_item = self._item_size(x, n)  # leaves the bytes of x in the stream
        if not x_item or not y_item:
            return -1
        stream.seek(0)
        if x_item == 4:
            self._quantize(0, x)
        else:
            stream.readinto(self._views[0])
        self.forward()
        stream.seek(0)
        if y_item == 4:
            self._dequantize(1, y)
        else:
            self._move(self._views[1], y)
        return 0

    def _move(self, source, target):
        """Bytes from one buffer to another, which may overlap; the stream is at 0."""
        stream = self._io
        stream.write(source)
        stream.seek(0)
        stream.readinto(target)

    def _item_size(self, buf, n):
        """Bytes of one item of a buffer of n items, which is copied to the stream; 0: wrong."""
        stream = self._io
        stream.seek(0)
        total = 0 if isinstance(buf, str) else stream.write(buf)
        item = 1 if total == n else 4 if total == 4 * n else 0
        if TELLS_TYPE and buf.format not in (("", "f") if item == 4 else ("", "b", "B", "c")):
            return 0
        return item
