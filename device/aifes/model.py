"""Load a model and run it: the part of the package that every program needs.

The engines all execute the same plan with the same results to the last bit.
Engine(buf, plan, arena) makes a net, which is called:
    net(x, y, 0)    runs all samples of x into y, as Model.run() describes them; 0: done
    net(0)          runs the sample that lies in the arena
    net(a, b)       runs the ops a to b - 1 only (float32 models)
A result > 0 is to be given instead of the 0 to go on; < 0: x and y do not fit the model.
"""
import sys
from array import array

from .format import FLOAT32, ModelError, decode, size

if hasattr(memoryview(b""), "format"):  # CPython: a memoryview may have steps and dimensions
    from .seldom import flat
else:
    flat = memoryview

_found = {}  # engines by name, those for float32 by f32_NAME


def load(source, arena=None, engine=None):
    """Load an .aifes model and return a Model.

    source: a path, or the model itself as bytes, bytearray or memoryview, used in place. If the
        file of a path is missing or damaged, the one that `aifes deploy` kept there before it is
        taken, and a line is printed.
    arena: caller-owned writable byte buffer for all layer results; None allocates one. Best is an
        array('b'): a bytearray works too, but on MicroPython `input` and `output` then read as
        0..255 (two's complement) and the Python engine needs one more copy of a layer's input.
        For a float32 model array('f') is best: with others they are raw bytes on MicroPython.
    engine: "native", "viper" or "python"; None takes the fastest that is there. All give the same.
    Raises ModelError if the model is damaged, the arena too small or the engine not to be had,
    OSError if there is no file.
    """
    if not isinstance(source, str):
        return Model(source, arena, engine)
    buf, plan = read(source)
    if not plan:  # what is wrong with the file, and with nothing else
        from .seldom import previous

        buf, plan = previous(source, buf)
    return Model(buf, arena, engine, plan)


def read(path):
    """The buffer of a file, in one piece of memory, and its plan; or the error and None."""
    try:
        with open(path, "rb") as f:
            n = f.seek(0, 2)
            f.seek(0)
            buf = _allocate(bytearray, n, path)
            f.readinto(buf)
    except OSError as error:
        return error, None
    try:
        return buf, decode(buf)
    except ModelError as error:
        return error, None


def _allocate(make, n, what):
    try:
        return make(n)
    except (MemoryError, OverflowError):
        raise ModelError(f"{what} needs {n} bytes in one piece: load it first thing in the program "
                         "or choose a smaller network")


def _byte_view(arena, need):
    """The caller's buffer as a memoryview of bytes, of int8 where the interpreter can cast."""
    try:
        view = flat(arena)
        if len(view) and len(bytes(view[0:1])) != 1:
            raise TypeError
        if hasattr(view, "cast"):
            view = view.cast("B").cast("b")
        view[need - 1] = view[need - 1]
    except (TypeError, IndexError):
        from .seldom import no_arena

        no_arena(arena, need)
    return view


def _part(arena, tensor):
    """A tensor's elements in the arena."""
    return arena[tensor.offset:tensor.offset + size(tensor.shape)]


def choose_engine(name, floats=False):
    """The name and the Engine of this name, or those of the fastest one for None.

    floats: of the engines for float32 models.
    """
    for candidate in ("native", "viper", "python") if name is None else (str(name),):
        key = "f32_" + candidate if floats else candidate
        if key not in _found:
            _found[key] = _engine(candidate, floats)
        if _found[key]:
            return candidate, _found[key]
    from .seldom import no_engine

    no_engine(name)


def _engine(name, floats):
    try:
        if name == "viper" and sys.implementation.name != "micropython":
            return None
        if floats:
            from .f32_format import engine

            return engine(name)
        if name == "native":
            return _native()
        if name == "viper":
            from .engine_viper import Engine
        elif name == "python":
            from .engine_python import Engine
        else:
            return None
        return Engine
    except (ImportError, SyntaxError):  # no such file; no viper in this firmware
        return None
    except ValueError as e:
        from .seldom import no_engine

        no_engine(name, e)


def _native():
    """The engine in C: a file _aifes.mpy, beside this one or in /lib, or a part of the firmware."""
    try:
        from ._aifes import load
    except ImportError:
        from _aifes import load
    # modaifes.c; only a long sample comes back from it between two layers
    return lambda buf, plan, arena: load(buf, arena)


class Model:
    """A network that runs. The attributes follow OpenMV's ml.Model, for one input and one output.

    len: bytes of the model; ram: bytes held besides it (arena and work space).
    input_shape, output_shape: tuples; input_dtype, output_dtype: array typecodes, "b" or "f".
    input_scale, output_scale: real value of one step, a tuple if each element has its own;
    input_zero_point, output_zero_point likewise: real = (q - zero_point) * scale.
    metadata: what the converter noted, a dict with name, labels and layers, parsed at each access;
    labels: names of the outputs, or None.
    input, output: memoryviews into the arena, int8 or float32.
    engine: "native", "viper" or "python".
    classify(x): the class of one sample and its value, summary.py.
    """

    def __init__(self, buf, arena=None, engine=None, plan=None):
        """plan: what decode(buf) gave, where it was called already."""
        try:
            buf = flat(buf)
        except TypeError:
            from .seldom import no_model

            no_model(buf)
        plan = plan or decode(buf)
        self._buf = buf
        self._plan = plan
        dtype = plan.input.dtype
        view, part = _byte_view, _part
        if dtype == FLOAT32:
            from .f32_format import part, view
        if arena is None:
            arena = _allocate(lambda n: array(chr(dtype), bytes(n)), plan.arena, "the arena")
        arena = view(arena, plan.arena)
        self.engine, make = choose_engine(engine, dtype == FLOAT32)
        self._net = make(buf, plan, arena)
        self.input = part(arena, plan.input)
        self.output = part(arena, plan.output)
        self._floats = None

    def forward(self):
        """Run the network on `input`; the result is in `output`. Allocates nothing."""
        at = self._net(0)
        while at:  # between two layers of a long one: a moment for Ctrl-C
            at = self._net(at)

    def run(self, x, y):
        """Run one sample, or a batch of them one after another: reads x, writes y.

        x, y: flat buffers of float32 (array 'f': real values) or int8 (array 'b', bytearray:
        quantized values), independently of each other; memoryviews of them too. A float32 model
        takes float32 only. They may overlap, and lie in the arena: each sample is read whole
        before its result is written, and that before the next sample is read.
        A sample allocates nothing, with floats too: no float object is made. (The viper and Python
        engines: a batch allocates two small views a sample; beyond 1,024 elements the first call
        with floats enlarges a buffer once; MicroPython cannot tell array('i') from array('f').)
        Raises ModelError if a length, an item size or a type is wrong.
        """
        at = self._net(x, y, 0)
        while at:
            if at < 0:
                from .seldom import refuse

                refuse(x, y, self._plan)
            at = self._net(x, y, at)

    def swap(self, other):
        """Exchange networks with another Model: between two steps of a loop, allocates nothing.

        Each keeps the arena it was loaded with. An interrupt that calls run() in the middle of
        this gets the one network or the other, whole.
        Raises ModelError if the numbers of inputs or outputs differ.
        """
        # not len(input): a float32 model's may be a view of bytes
        if not isinstance(other, Model) or (
                size(self._plan.input.shape) != size(other._plan.input.shape)
                or size(self._plan.output.shape) != size(other._plan.output.shape)):
            raise ModelError("swap() takes a model with as many inputs and outputs")
        self._net, other._net = other._net, self._net
        self.input, other.input = other.input, self.input
        self.output, other.output = other.output, self.output
        self._buf, other._buf = other._buf, self._buf
        self._plan, other._plan = other._plan, self._plan
        self.engine, other.engine = other.engine, self.engine

    def predict(self, values):
        """Run one sample: a sequence of real numbers in, a list of floats out. Allocates both.

        Raises ModelError if there are not as many numbers as inputs.
        """
        if self._floats is None:
            self._floats = [array("f", bytes(4 * size(t.shape)))
                            for t in (self._plan.input, self._plan.output)]
        x, y = self._floats[:2]
        try:
            if len(values) != len(x):
                raise ModelError(f"{len(values)} values given, the network has {len(x)} inputs")
            for i in range(len(x)):
                x[i] = values[i]
        except (TypeError, OverflowError, LookupError):
            raise ModelError(f"predict() takes one sequence of {len(x)} numbers")
        self.run(x, y)
        return list(y)

    def save(self, path):
        """Write the model as an .aifes file that load() takes; a loss of power leaves the old one.

        Raises OSError if it cannot be written, ModelError if the flash does not give it back.
        """
        from .seldom import save

        save(self, path)

    def __getattr__(self, name):
        from .summary import attribute  # the rarer attributes are loaded when asked for

        return attribute(self, name)

    def __str__(self):
        from .summary import summary

        return summary(self)
