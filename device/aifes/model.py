"""Load a model and run it: the part of the package that every program needs."""
import io
from array import array

import aifes.floats as floats

from .engine_python import Engine
from .format import ModelError, decode, feature_scale, size


def load(source, arena=None):
    """Load an .aifes model and return a Model.

    source: a path, or the model itself as bytes, bytearray or memoryview, used in place.
    arena: caller-owned writable byte buffer for all layer results; None allocates one. Best is an
        array('b'): a bytearray works too, but on MicroPython `input` and `output` then read as
        0..255 (two's complement) and the Python engine needs one more copy of a layer's input.
    Raises ModelError if the model is damaged or the arena too small, OSError if there is no file.
    """
    return Model(_read(source) if isinstance(source, str) else source, arena)


def _read(path):
    with open(path, "rb") as f:
        n = f.seek(0, 2)
        f.seek(0)
        buf = _allocate(bytearray, n, path)
        f.readinto(buf)
    return buf


def _allocate(make, n, what):
    try:
        return make(n)
    except (MemoryError, OverflowError):
        raise ModelError(f"{what} needs {n} bytes in one piece: load it first thing in the program "
                         "or choose a smaller network")


def _byte_view(arena, need):
    """The caller's buffer as a memoryview of bytes, of int8 where the interpreter can cast."""
    try:
        view = memoryview(arena)
        if len(view) and len(bytes(view[0:1])) != 1:
            raise TypeError
        if hasattr(view, "cast"):
            view = view.cast("B").cast("b")
        if len(view) < need:
            raise ModelError(f"the arena has {len(view)} bytes, this network needs {need}")
        view[0] = view[0]
    except TypeError:
        raise ModelError("the arena must be a writable buffer of bytes: array('b') or bytearray")
    return view


class Model:
    """A network that runs. The attributes follow OpenMV's ml.Model, for one input and one output.

    len: bytes of the model; ram: bytes held besides it (arena and work space).
    input_shape, output_shape: tuples; input_dtype, output_dtype: array typecodes ("b").
    input_scale, output_scale: real value of one step, a tuple if each element has its own;
    input_zero_point, output_zero_point likewise: real = (q - zero_point) * scale.
    input, output: memoryviews into the arena, int8.
    """

    def __init__(self, buf, arena=None):
        try:
            buf = memoryview(buf)
        except TypeError:
            raise ModelError("a model is a path, bytes, bytearray or memoryview, "
                             f"not {type(buf).__name__}")
        plan = decode(buf)
        self._buf = buf
        self._plan = plan
        self._n_in = size(plan.input.shape)
        self._n_out = size(plan.output.shape)
        if arena is None:
            arena = _allocate(lambda n: array("b", bytes(n)), plan.arena, "the arena")
        arena = _byte_view(arena, plan.arena)
        self._engine = Engine(buf, plan, arena)
        self._mask = self._engine._mask
        self.input = arena[plan.input.offset:plan.input.offset + self._n_in]
        self.output = arena[plan.output.offset:plan.output.offset + self._n_out]
        # the one bridge to floats that allocates nothing on any interpreter: bytes through a stream
        n = min(4 * max(self._n_in, self._n_out), 4096)
        self._io = io.BytesIO()
        self._io.write(bytes(n))
        self._word = bytearray(4)
        self._floats = None
        self.len = plan.length
        self.ram = plan.arena + n + self._engine.ram
        self.engine = self._engine.name

    def forward(self):
        """Run the network on `input`; the result is in `output`. Allocates nothing."""
        self._engine.forward()

    def run(self, x, y):
        """Run one sample, or a batch of them one after another: reads x, writes y.

        x, y: flat buffers of float32 (array 'f': real values) or int8 (array 'b', bytearray:
        quantized values), independently of each other; memoryviews of them too.
        A sample with floats in and out allocates nothing either: no float object is made. (Beyond
        1,024 elements the first call with floats enlarges a buffer once.) Each sample of a batch
        allocates two small views. MicroPython cannot tell array('i') from array('f').
        Raises ModelError if a length, an item size or a type is wrong.
        """
        n, m = self._n_in, self._n_out
        try:
            n_x, n_y = len(x), len(y)
        except TypeError:
            raise ModelError("run(x, y) takes two buffers such as array('f') or array('b')")
        if n_x == n and n_y == m:
            self._sample(x, y)
            return
        count = n_x // n
        if not count or count * n != n_x or count * m != n_y:
            raise ModelError(f"x has {n_x} and y {n_y} elements; a sample has {n} in and {m} out")
        try:
            x, y = memoryview(x), memoryview(y)
        except TypeError:
            raise ModelError("run(x, y) takes buffers such as array('f'); predict() takes lists")
        for i in range(count):
            self._sample(x[i * n:(i + 1) * n], y[i * m:(i + 1) * m])

    def predict(self, values):
        """Run one sample: a sequence of real numbers in, a list of floats out. Allocates both.

        Raises ModelError if there are not as many numbers as inputs.
        """
        if self._floats is None:
            self._floats = (array("f", bytes(4 * self._n_in)), array("f", bytes(4 * self._n_out)))
        x, y = self._floats
        try:
            if len(values) != len(x):
                raise ModelError(f"{len(values)} values given, the network has {len(x)} inputs")
            for i in range(len(x)):
                x[i] = values[i]
        except (TypeError, OverflowError):
            raise ModelError(f"predict() takes one sequence of {len(x)} numbers")
        self._sample(x, y)
        return list(y)

    def _sample(self, x, y):
        stream = self._io
        is_float = self._item_size(y, self._n_out) == 4
        x_is_float = self._item_size(x, self._n_in) == 4  # leaves the bytes of x in the stream
        stream.seek(0)
        if x_is_float:
            t = self._plan.input
            floats.quantize(stream, self._word, self.input, self._mask,
                            t.shift, t.zero_point, self._buf, t.features)
        else:
            stream.readinto(self.input)
        self._engine.forward()
        stream.seek(0)
        if is_float:
            t = self._plan.output
            floats.dequantize(self.output, stream, self._word,
                              t.shift, t.zero_point, self._buf, t.features)
        else:
            stream.write(self.output)
        stream.seek(0)
        try:
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

    @property
    def input_shape(self):
        return self._plan.input.shape

    @property
    def output_shape(self):
        return self._plan.output.shape

    @property
    def input_dtype(self):
        return chr(self._plan.input.dtype)

    @property
    def output_dtype(self):
        return chr(self._plan.output.dtype)

    @property
    def input_scale(self):
        return self._scale(self._plan.input)

    @property
    def output_scale(self):
        return self._scale(self._plan.output)

    @property
    def input_zero_point(self):
        return self._zero_point(self._plan.input)

    @property
    def output_zero_point(self):
        return self._zero_point(self._plan.output)

    def _scale(self, t):
        if not t.features:
            return 2.0 ** -t.shift
        return tuple([2.0 ** -s for s, _ in self._features(t)])

    def _zero_point(self, t):
        if not t.features:
            return t.zero_point
        return tuple([z for _, z in self._features(t)])

    def _features(self, t):
        n = size(t.shape)
        return [feature_scale(self._buf, t.features, n, i) for i in range(n)]

    @property
    def metadata(self):
        """What the converter noted: a dict with name, labels and layers. Parsed at each access."""
        from .summary import metadata

        return metadata(self._buf, self._plan)

    @property
    def labels(self):
        """Names of the outputs, or None."""
        return self.metadata.get("labels")

    def __str__(self):
        from .summary import summary

        return summary(self)
