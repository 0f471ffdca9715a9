"""The engine for float32 models that runs anywhere: Python's numbers, rounded to float32.

Every result is stored in an array('f'), so that an interpreter with double precision computes the
same; one with 30-bit floats (CircuitPython) differs in the last digits. It allocates: floats are
objects.
"""
import io
from array import array
from math import ldexp

from .f32_format import ACTIVATION_F32, ACTIVATIONS, DENSE_F32, floats
from .format import size
from .model import flat

LARGEST = 3.4028234663852886e38
# log2(e); ln 2 in two parts; 1/720 .. 1/2
EXP = array("f", (1.44269504, 0.693359375, -2.12194440e-4, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5))


class Engine:
    """Runs a checked Plan over `buf` in `arena`, a view made by f32_format.view."""

    def __init__(self, buf, plan, arena):
        self._buf = buf
        self._plan = plan
        self._n_in, self._n_out = size(plan.input.shape), size(plan.output.shape)
        widest = max([max(op.n_in, op.n_out) for op in plan.ops])
        self._x, self._y, self._row = [
            memoryview(array("f", bytes(4 * widest))) for _ in range(3)]
        self._io = io.BytesIO(bytes(4 * widest))
        self.ram = 16 * widest
        self._input = floats(arena, plan.input.offset, self._n_in)
        self._output = floats(arena, plan.output.offset, self._n_out)
        self._steps = [(op, floats(arena, op.x, op.n_in), floats(arena, op.y, op.n_out))
                       for op in plan.ops]

    def __call__(self, x, y=None, at=None):
        if at is None:
            for step in self._steps[x:y]:
                self._run(*step)
            return 0
        n, m = self._n_in, self._n_out
        try:
            count = len(x) // n
            x, y = flat(x), flat(y)
            if not count or count * n != len(x) or count * m != len(y) or not (
                    _is_float(x) and _is_float(y)):
                return -1
            for i in range(count):
                self._copy(x[i * n:(i + 1) * n], self._x[:n])
                finite(self._x[:n])
                self._copy(self._x[:n], self._input)
                self(0)
                self._copy(self._output, y[i * m:(i + 1) * m])
        except TypeError:
            return -1
        return 0

    def _copy(self, source, target):
        """Bytes between buffers of any item size."""
        self._io.seek(0)
        self._io.write(source)
        self._io.seek(0)
        self._io.readinto(target)

    def _run(self, op, x_bytes, y_bytes):
        x, y = self._x[:op.n_in], self._y[:op.n_out]
        self._copy(x_bytes, x)
        if op.opcode == DENSE_F32:
            self._dense(op, x, y)
        elif op.opcode == ACTIVATION_F32:
            self._copy(self._buf[op.table:op.table + 4], self._row[:1])
            activation(ACTIVATIONS[op.flags], self._row[0], x, y)
        else:
            softmax(x, y)
        self._copy(y, y_bytes)

    def _dense(self, op, x, y):
        """y[n_out] = bias + sum(x[n_in] * w), summed in the order of the inputs."""
        buf, n_in, n_out = self._buf, op.n_in, op.n_out
        product = array("f", (0.0,))
        self._copy(buf[op.bias:op.bias + 4 * n_out], y)
        rows = op.interleave == 1
        width, row = (n_in, self._row[:n_in]) if rows else (n_out, self._row[:n_out])
        for i in range(n_out if rows else n_in):
            at = op.weights + 4 * i * width
            self._copy(buf[at:at + 4 * width], row)
            for k in range(width):
                j = i if rows else k
                product[0] = x[k if rows else i] * row[k]
                y[j] = y[j] + product[0]


def _is_float(view):
    """Whether a buffer holds items of float32; MicroPython cannot tell them from int32."""
    return len(bytes(view[0:1])) == 4 and getattr(view, "format", "f") == "f"


def finite(x):
    """NaN becomes 0, infinities the largest number."""
    for i in range(len(x)):
        v = x[i]
        if v - v != 0:
            x[i] = 0.0 if v != v else LARGEST if v > 0 else -LARGEST


def exp(x, t):
    """exp of x <= 0 by the polynomial of docs/arithmetic.md; t: array('f') of 2 to work in."""
    if not x >= -86:
        return 0.0
    t[0] = x * EXP[0]
    t[0] = t[0] - 0.5
    n = int(t[0])
    t[1] = x - n * EXP[1]
    t[0] = n * EXP[2]
    t[1] = t[1] - t[0]
    r = t[1]
    t[0] = EXP[3]
    for i in (4, 5, 6, 7):
        t[0] = t[0] * r
        t[0] = t[0] + EXP[i]
    for _ in range(2):
        t[0] = t[0] * r
        t[0] = t[0] + 1.0
    return ldexp(t[0], n)


def activation(kind, alpha, x, y):
    """y = the activation of x, elementwise; each operation rounded to float32."""
    t = array("f", (0, 0))
    for i in range(len(x)):
        v = x[i]
        if kind in ("relu", "leaky_relu", "elu"):
            if v > 0:
                y[i] = v
            elif kind == "relu":
                y[i] = 0.0
            else:
                if kind == "elu":
                    t[0] = exp(v, t) - 1.0
                    v = t[0]
                y[i] = alpha * v
            continue
        if kind == "softsign":
            t[0] = 1.0 + abs(v)
            y[i] = v / t[0]
            continue
        if kind == "tanh":
            t[0] = abs(v) + abs(v)
            e = exp(-t[0], t)
            t[1] = 1.0 - e
        else:
            e = exp(-abs(v), t)
            t[1] = 1.0 if v > 0 else e
        t[0] = 1.0 + e
        y[i] = t[1] / t[0]
        if kind == "tanh" and not v > 0:
            y[i] = -y[i]


def softmax(x, y):
    """y = exp(x) / sum(exp(x)), the largest x taken from all first."""
    t = array("f", (0, 0, 0))
    top = max(x)
    for i in range(len(x)):
        t[0] = x[i] - top
        y[i] = exp(t[0], t)
        t[2] = t[2] + y[i]
    for i in range(len(y)):
        y[i] = y[i] / (t[2] or 1.0)  # 0 after an overflow only
