"""net(x, y, 0) for the engines in Python: samples of floats or int8, moved through a byte stream.

A stream is the one bridge between floats and their bits that allocates nothing anywhere.
"""
import io

from .format import size
from .model import flat

TELLS_TYPE = hasattr(memoryview(b""), "format")  # CPython


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

    def part(self, tensor):
        """A tensor's elements in the arena."""
        return self._arena[tensor.offset:tensor.offset + size(tensor.shape)]

    def __call__(self, x, y=None, at=None):
        if at is None:
            self.forward()
            return 0
        try:
            if len(self._sizes) > 2:
                return self._several(x, y)
            n, m = self._sizes
            count = len(x) // n
            if not count or count * n != len(x) or count * m != len(y):
                return -1
            if TELLS_TYPE:
                x, y = flat(x), flat(y)
            if count == 1:
                return self._one(x, y)
            x, y = memoryview(x), memoryview(y)
            for i in range(count):
                if self._one(x[i * n:(i + 1) * n], y[i * m:(i + 1) * m]):
                    return -1
        except TypeError:  # x is no buffer, y is none that can be written
            return -1
        return 0

    def _one(self, x, y):
        """One sample of the only input and the only output."""
        if not self._can_write(1, y) or not self._put(0, x):
            return -1
        self.forward()
        self._get(1, y)
        return 0

    def _several(self, x, y):
        """Samples of several inputs or outputs, which then are a tuple; one allocates nothing."""
        sizes, n = self._sizes, self._n_inputs
        m = len(sizes) - n
        if n > 1 and not (isinstance(x, tuple) and len(x) == n) or (
                m > 1 and not (isinstance(y, tuple) and len(y) == m)):
            return -1
        count = len(self._end(0, x, y)) // sizes[0]
        for k in range(n + m):
            if not count or len(self._end(k, x, y)) != count * sizes[k]:
                return -1
        return self._batch(x, y, count) if count > 1 or TELLS_TYPE else self._sample(x, y)

    def _end(self, k, x, y):
        """The buffer of tensor k."""
        n = self._n_inputs
        if k < n:
            return x[k] if n > 1 else x
        return y[k - n] if n + 1 < len(self._sizes) else y

    def _batch(self, x, y, count):
        sizes, n = self._sizes, self._n_inputs
        ends = [flat(self._end(k, x, y)) for k in range(len(sizes))]
        for i in range(count):
            part = [v[i * m:(i + 1) * m] for v, m in zip(ends, sizes)]
            if self._sample(part if n > 1 else part[0],
                            part[n:] if n + 1 < len(part) else part[n]):
                return -1
        return 0

    def _sample(self, x, y):
        n, ends = self._n_inputs, len(self._sizes)
        for k in range(n, ends):
            if not self._can_write(k, self._end(k, x, y)):
                return -1
        for k in range(n):
            if not self._put(k, self._end(k, x, y)):
                return -1
        self.forward()
        for k in range(n, ends):
            self._get(k, self._end(k, x, y))
        return 0

    def _can_write(self, k, y):
        n = self._item_size(y, self._sizes[k])
        self._io.seek(0)
        self._io.readinto(y)  # its own bytes: refuses what is read-only; a pointer would not
        return n

    def _put(self, k, x):
        n = self._item_size(x, self._sizes[k])  # leaves the bytes of x in the stream
        self._io.seek(0)
        if n == 4:
            self._quantize(k, x)
        elif n:
            self._io.readinto(self._views[k])
        return n

    def _get(self, k, y):
        # its type is known, what is in the stream is not needed any more
        n = self._item_size(y, self._sizes[k])
        self._io.seek(0)
        if n == 4:
            self._dequantize(k, y)
        else:
            self._move(self._views[k], y)

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
