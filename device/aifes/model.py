"""Load a model and run it: the part of the package that every program needs.

The engines all execute the same model with the same results to the last bit.
Engine(buf, plan, arena) makes a net, which is called:
    net(x, y, 0)    runs all samples of x into y, as Model.run() describes them; 0: done
    net(0)          runs the sample that lies in the arena
    net(a, b)       runs the ops a to b - 1 only (float32 models)
A result > 0 is to be given instead of the 0 to go on; < 0: x and y do not fit the model.
The native engine checks the ops itself; the others, and a PC, call format.decode.
"""
import sys
from array import array

TELLS_TYPE = hasattr(memoryview(b""), "format")  # CPython
if TELLS_TYPE:  # there a memoryview may have steps and dimensions
    def flat(buf):
        """A memoryview of a buffer, TypeError if its items do not lie in one row without gaps."""
        view = memoryview(buf)
        if view.ndim != 1 or not view.c_contiguous:
            raise TypeError
        return view
else:
    flat = memoryview

_found = {}  # Engines, by name and type of number


class ModelError(ValueError):
    """What is wrong with a model or with the data given to it, and what to do, in one sentence."""


def size(shape):
    """Number of elements of a shape."""
    n = 1
    for d in shape:
        n *= d
    return n


def load(source, arena=None, engine=None):
    """Load an .aifes model and return a Model.

    source: a path, or the model itself as bytes, bytearray or memoryview, used in place: in flash,
        too. If the file of a path is missing or damaged, the one that `aifes deploy` kept there
        before it is taken, and a line is printed. A file of pieces (pieces.py) stays open: each
        inference reads it, and raises ModelError if it does not give back what it had.
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
    """The buffer of a file, in one piece of memory, and its plan; or the error and None.

    Of a file of pieces: what of it stays in memory.
    """
    from .format import frame  # not kept: forget()

    try:
        with open(path, "rb") as f:
            if f.read(4) == b"\xa1fep":
                from .seldom import pieces

                return pieces(path)
            n = f.seek(0, 2)
            f.seek(0)
            buf = _allocate(bytearray, n, path)
            f.readinto(buf)
    except OSError as error:
        return error, None
    try:
        return buf, frame(buf)
    except ModelError as error:
        return error, None


def _allocate(make, n, what):
    try:
        return make(n)
    except (MemoryError, OverflowError):
        raise ModelError(f"{what} needs {n} bytes in one piece: load it first thing in the program "
                         "or choose a smaller network")


def _zeros(code, n):
    """An array of n bytes that are 0. array(code, bytes(n)) takes twice the memory for a while."""
    found = array(code, bytes(n % 1024))
    if n >= 1024:
        part = array(code, bytes(1024))
        for _ in range(n // 1024):
            found.extend(part)
    return found


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


def _engine(name, is_float):
    """The Engine of this name, None if it is not there."""
    try:
        if name == "native":
            return _native(is_float)
        if name not in ("viper", "python") or TELLS_TYPE and name == "viper":
            return None
        module = "aifes.{}.{}".format(name, "float32" if is_float else "int8")
        return __import__(module, None, None, ("Engine",)).Engine
    except (ImportError, SyntaxError):  # no such file; no viper in this firmware
        return None
    except ValueError as error:
        from .seldom import no_engine

        no_engine(name, error)


def _native(is_float):
    """The engine in C: files _aifes*.mpy, beside this one or in /lib, or parts of the firmware.

    Each has a family of ops; what one does not have, a larger one may have.
    """
    # ESP32-S2 has no FPU, its files are those of ESP32: the code would stop at the first float
    if is_float and "S2" in getattr(
            sys.implementation, "_machine", "").rpartition("ESP32")[2][:3]:
        return None

    def make(buf, plan, arena):
        refused = "bad"
        for name in ("_aifes_f32", "_aifes_cnn_f32") if is_float else ("_aifes", "_aifes_cnn"):
            module = _module(name)
            try:
                if module:
                    return module.load(plan.head, buf, arena)  # native_module/module.h
            except ValueError as error:
                refused = str(error)
        if "bad" not in refused:  # not the model, but where it lies
            raise ModelError(refused)
        return None

    return make


def _module(name):
    """The module in C of this name, None if it is not there."""
    for where in () if name in _found else ("aifes." + name, name):
        try:
            _found[name] = __import__(where, None, None, ("load",))
            break
        except ImportError:
            _found[name] = None
        except ValueError as error:
            from .seldom import no_engine

            no_engine("native", error)
    return _found[name]


def forget():
    """Give back the memory of what has checked and decoded a model, and of what is seldom needed.

    It is imported anew when it is; what runs a model does not refer to it. What also builds
    networks stays where they are built.
    """
    if sys.implementation.name == "cpython":
        return
    import aifes

    parts = ("summary", "seldom", "pieces")
    if "aifes.layers" not in sys.modules:
        parts += ("format", "ops")
    for part in parts:
        name = "aifes." + part
        for module in [m for m in sys.modules if m == name or m.startswith(name + ".")]:
            del sys.modules[module]
        aifes.__dict__.pop(part, None)


def fill(x, values):
    """Put a sequence of numbers into the array x; ModelError if they are not as many."""
    try:
        if len(values) != len(x):
            raise ModelError(f"{len(values)} values given, the network has {len(x)} inputs")
        for i in range(len(x)):
            x[i] = values[i]
    except (TypeError, OverflowError, LookupError):
        raise ModelError(f"predict() takes one sequence of {len(x)} numbers")


def _alike(a, b):
    """Whether inputs and outputs of two Plans by frame() have the same sizes."""
    # not len(input): a float32 model's may be a view of bytes
    if a.n_inputs != b.n_inputs or a.n_outputs != b.n_outputs:
        return False
    for k in range(len(a.tensors)):
        v, w = a.tensors[k], b.tensors[k]
        if size(v.shape) != size(w.shape) or v.rows != w.rows:
            return False
    return True


class Model:
    """A network that runs. The attributes follow OpenMV's ml.Model.

    len: bytes of the model; ram: bytes held besides it (arena and work space).
    input_shape, output_shape: tuples; input_dtype, output_dtype: array typecodes, "b" or "f".
    input_scale, output_scale: real value of one step, a tuple if each element has its own;
    input_zero_point, output_zero_point likewise: real = (q - zero_point) * scale.
    metadata: what the converter noted, a dict with name, labels and layers, parsed at each access;
    labels: names of the outputs, or None.
    input, output: memoryviews into the arena, int8 or float32.
    inputs, outputs: tuples of them, for networks with several; of such ones all that is called
        input_.. or output_.. above is a tuple with an item for each, run() and predict() take
        tuples, and input and output are the first ones.
    push(row, y), reset(): of a model whose input comes row by row, push.py; there is no `input`.
    engine: "native", "viper" or "python".
    classify(x): the class of one sample and its value, summary.py.
    """

    def __init__(self, buf, arena=None, engine=None, plan=None):
        """plan: what frame(buf) gave, where it was called already."""
        try:
            buf = flat(buf)
        except TypeError:
            from .seldom import no_model

            no_model(buf)
        from .format import FLOAT32, frame  # not kept: forget()

        plan = plan or frame(buf)
        self._buf = buf
        self._plan = plan
        dtype = plan.tensors[0].dtype
        view, part = _byte_view, _part
        if dtype == FLOAT32:
            from .float32 import part, view
        if arena is None:
            arena = _allocate(lambda n: _zeros(chr(dtype), n), plan.arena, "the arena")
        arena = view(arena, plan.arena)
        self._net = None
        for name in ("native", "viper", "python") if engine is None else (str(engine),):
            key = name, dtype
            if key not in _found:
                _found[key] = _engine(name, dtype == FLOAT32)
            if _found[key]:
                self.engine = name
                self._net = (plan.pieces.net(_found[key], arena, part) if plan.pieces
                             else _found[key](buf, plan, arena))
                if self._net:
                    break
        if not self._net:
            from .seldom import no_engine

            no_engine(engine, None, buf)
        ends = tuple([part(arena, t) for t in plan.tensors])
        self.input, self.output = ends[0], ends[plan.n_inputs]
        self._ends = ends if len(ends) > 2 else None
        self._floats = None
        if plan.tensors[0].rows:
            from .push import attach

            attach(self)
        forget()

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
        Several inputs or several outputs are a tuple: run((x1, x2), (y1, y2)).
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
        if not isinstance(other, Model) or not _alike(self._plan, other._plan):
            raise ModelError("swap() takes a model with as many inputs and outputs")
        for name in ("_net", "input", "output", "_ends", "_buf", "_plan", "engine"):
            mine = getattr(self, name)
            setattr(self, name, getattr(other, name))
            setattr(other, name, mine)

    def predict(self, values):
        """Run one sample: a sequence of real numbers in, a list of floats out. Allocates both.

        With several inputs a sequence of such sequences, with several outputs a list of lists.
        Raises ModelError if there are not as many numbers as inputs.
        """
        if self._floats is None:
            self._floats = [array("f", bytes(4 * size(t.shape))) for t in self._plan.tensors]
        if self._ends:
            from .several import predict

            return predict(self, values)
        x, y = self._floats[:2]
        fill(x, values)
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
