"""Elementwise activations by hand, and their Drafts: for int8 inside the op before, if it can."""
from ..format import ModelError, size
from ..ops import room
from ..ops.map import FUNCTIONS, Fields
from . import activations, q7
from .assemble import Draft
from .given import raw

OPCODE = 2


def table_map(n, table):
    """The Draft of a table of 256 bytes, for the inputs -128..127."""
    return Draft(OPCODE, 0, n, n, Fields(bytes(table)), None, 0)


def float_map(kind, n, alpha=None):
    """The Draft of a function of ops.map.FUNCTIONS; alpha: of leaky_relu and elu, a number."""
    return Draft(OPCODE, FUNCTIONS.index(kind), n, n, Fields(
        None if alpha is None else raw((alpha,), 1, kind)), None, 0)


def fuse_map(drafts, n, table):
    """Apply an elementwise table to the result of the last Draft: inside it if it can."""
    last = drafts[-1] if drafts else None
    if last is None or not room(last.opcode).TABLE:
        drafts.append(table_map(n, table))
        return
    if last.fields.table:
        table = bytes([table[b ^ 128] for b in last.fields.table])
    drafts[-1] = with_fields(last, table=bytes(table))


def fuse_clamp(drafts, n, low, high):
    """The result of the last Draft within low..high: by itself if it clamps anyway, no table."""
    last = drafts[-1] if drafts else None
    fields = last.fields if last else None
    if not hasattr(fields, "low") or getattr(fields, "table", None):
        fuse_map(drafts, n, bytes([min(max(v, low), high) & 255 for v in range(-128, 128)]))
    else:
        drafts[-1] = with_fields(last, low=min(max(fields.low, low), high),
                                 high=min(max(fields.high, low), high))


def with_fields(draft, **changed):
    """A Draft with some fields changed; MicroPython's namedtuple has no _replace."""
    fields = draft.fields
    names = room(draft.opcode).NAMES
    return Draft(*(draft[:4] + (type(fields)(*[
        changed.get(name, value) for name, value in zip(names, fields)]),) + draft[5:]))


class Activation:
    """Elementwise; looked up in the layer before it where possible."""

    alpha = None

    def result(self, x):
        return x

    def tensors(self, x):
        return ()

    def lower(self, drafts, x, q, exact, number):
        """Add the Drafts of int8; the scale of the result. x: the input's shape, q: its scale."""
        n = size(x)
        shift, zero = q
        out = activations.OUT_SCALE.get(self.kind, q)
        if self.kind == "relu":
            fuse_clamp(drafts, n, zero, 127)
        elif exact:
            fuse_map(drafts, n, activations.exact_table(
                self.kind, _real_alpha(self.alpha), shift, zero, *out))
        else:
            _check_shift(self.kind, shift)
            fuse_map(drafts, n, activations.aifes_table(
                self.kind, _q7_alpha(self.alpha), shift, zero))
        return out

    def lower_float(self, drafts, x, number):
        """Add the Draft of float32."""
        if isinstance(self.alpha, tuple):
            raise ModelError(f"alpha of the {self.kind} of a float32 network is a number")
        drafts.append(float_map(self.kind, size(x), self.alpha))


def _check_shift(kind, shift):
    low, high = {"tanh": (1, 9), "sigmoid": (0, 8)}.get(kind, (0, 24))
    if not low <= shift <= high:
        raise ModelError(f"AIfES's {kind} is defined for shifts {low} to {high}, not {shift}: "
                         "use Sequential(..., exact=True)")


def _q7_alpha(alpha):
    if isinstance(alpha, (int, float)):
        shift, zero = q7.params(-abs(alpha), abs(alpha))
        return q7.quantize(alpha, shift, zero), shift, zero
    return alpha


def _real_alpha(alpha):
    return q7.dequantize(*alpha) if isinstance(alpha, tuple) else alpha


class ReLU(Activation):
    """max(x, 0)"""

    kind = "relu"


class LeakyReLU(Activation):
    """x where x > 0, else alpha * x. alpha: a number, or a Q7 scalar (value, shift, zero point)."""

    kind = "leaky_relu"

    def __init__(self, alpha=0.01):
        self.alpha = alpha


class ELU(Activation):
    """x where x > 0, else alpha * (exp(x) - 1). alpha as for LeakyReLU."""

    kind = "elu"

    def __init__(self, alpha=1.0):
        self.alpha = alpha


class Sigmoid(Activation):
    """1 / (1 + exp(-x)), scale 2**-8, zero point -128"""

    kind = "sigmoid"


class Tanh(Activation):
    """tanh(x), scale 2**-7, zero point 0"""

    kind = "tanh"


class Softsign(Activation):
    """x / (1 + |x|), scale 2**-7, zero point 0"""

    kind = "softsign"
