"""Load a model and run it: the part of the package that every program needs."""
from array import array

import aifes.engines as engines

from .format import ModelError, decode, size


def load(source, arena=None, engine=None):
    """Load an .aifes model and return a Model.

    source: a path, or the model itself as bytes, bytearray or memoryview, used in place.
    arena: caller-owned writable byte buffer for all layer results; None allocates one. Best is an
        array('b'): a bytearray works too, but on MicroPython `input` and `output` then read as
        0..255 (two's complement) and the Python engine needs one more copy of a layer's input.
    engine: "native", "viper" or "python"; None takes the fastest that is there. All give the same.
    Raises ModelError if the model is damaged, the arena too small or the engine not to be had,
    OSError if there is no file.
    """
    return Model(_read(source) if isinstance(source, str) else source, arena, engine)


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
    metadata: what the converter noted, a dict with name, labels and layers, parsed at each access;
    labels: names of the outputs, or None.
    input, output: memoryviews into the arena, int8.
    engine: "native", "viper" or "python".
    """

    def __init__(self, buf, arena=None, engine=None):
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
        self._engine = engines.choose(engine)(buf, plan, arena)
        self.input = arena[plan.input.offset:plan.input.offset + self._n_in]
        self.output = arena[plan.output.offset:plan.output.offset + self._n_out]
        self._floats = None
        self.len = plan.length
        self.ram = plan.arena + self._engine.ram
        self.engine = self._engine.name

    def forward(self):
        """Run the network on `input`; the result is in `output`. Allocates nothing."""
        self._engine.forward()

    def run(self, x, y):
        """Run one sample, or a batch of them one after another: reads x, writes y.

        x, y: flat buffers of float32 (array 'f': real values) or int8 (array 'b', bytearray:
        quantized values), independently of each other; memoryviews of them too.
        A sample allocates nothing, with floats too: no float object is made. (The viper and Python
        engines: a batch allocates two small views a sample; beyond 1,024 elements the first call
        with floats enlarges a buffer once; MicroPython cannot tell array('i') from array('f').)
        Raises ModelError if a length, an item size or a type is wrong.
        """
        self._engine.run(x, y)

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
        self._engine.run(x, y)
        return list(y)

    def __getattr__(self, name):
        from .summary import attribute  # the rarer attributes are loaded when asked for

        return attribute(self._buf, self._plan, name)

    def __str__(self):
        from .summary import summary

        return summary(self)
