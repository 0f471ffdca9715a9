"""The ops of a model: one file each, imported when a model contains it.

A file NAME.py has what its record means, and its checks; kernels are in python/, viper/ and C:
    FIELDS, Fields      struct format and namedtuple of what follows the tensors in the record
    NAMES               of these fields
    CONSTANTS           how many of the fields, the last ones, are offsets of constants
    ENDS                (inputs, outputs); a second output is scratch, which nothing reads
    IN_PLACE            whether a result may lie where an input lies, in just the same bytes
    TABLE               whether an int8 result can be looked up in a table of the op's own
    scratch(op, x)                         where there is one: how many elements it has at least
    check(look, op, x, y)                  raises ModelError; x, y: lists of Tensors
    window(op, x, y)                       where it computes images row by row: (rows, where the
                                           first window begins, from its first to its last row, to
                                           the next window, how far rows are spread), or None
    lengths(op, x, y)                      bytes of each constant, 0 if it is absent
    parameters(op, x, y)                   how many weights and biases there are
"""
import struct
from array import array

from ..format import HEADER, HEADER_SIZE, TENSOR_SIZE, ModelError, Op, Plan, check, nbytes, tensor

NAMES = ("", "dense", "map", "softmax", "add", "conv", "pool", "mean", "multiply")  # by opcode


def room(opcode, building="aifes.ops."):
    """The module of an op, in the package of this name."""
    return __import__(building + NAMES[opcode], None, None, ("NAMES",))


def windows(op, x, y):
    """window() of an op's file; None where it has none: it takes its inputs as a whole."""
    found = getattr(room(op.opcode), "window", None)
    return found and found(op, x, y)


def turns(net, plan, arena, building):
    """Of an engine whose files are in this package: where ops take turns, net.turns has them."""
    if any([t.rows for t in plan.tensors]):
        module = __import__(f"aifes.{building}.turns", None, None, ("Turns",))
        net.turns = module.Turns(net, plan, arena)
        net.forward = net.turns.forward
        if plan.tensors[0].rows:
            net._several = net.turns


def is_signed(arena):
    """Whether the items of a writable byte buffer read as -128..127 (else as 0..255)."""
    first = arena[0]
    try:
        arena[0] = -1
        signed = arena[0] < 0
    except (ValueError, OverflowError):
        signed = False
    arena[0] = first
    return signed


def placed(op, x, y, kernel=None):
    """An Op for the kernels in Python: one that computes images row by row has its Tensors, and
    behind its outputs a view, an array: what Rows.place() says, elements of a row of the result,
    and an int for each channel, if the kernel's module has SUMS; any other has none of both."""
    window = windows(op, x, y)
    if not window:
        return Op(op.opcode, op.flags, (), (), op.fields)
    row = y[0].shape[1] * y[0].shape[2]
    sums = y[0].shape[2] if hasattr(kernel, "SUMS") else 0
    view = array("i", (x[0].shape[0], window[0], window[1], 0, window[1], 0, row) + (0,) * sums)
    return Op(op.opcode, op.flags, x, y + [view], op.fields)


class Look:
    """What an op's check() sees: the buffer, and where constants lie."""

    def __init__(self, buf, low, high):
        self.buf = buf
        self.low, self.high = low, high
        self.layer = 0

    def check(self, ok, what):
        check(ok, what + ", layer", self.layer)

    def constants(self, offsets, lengths, align=1):
        """All lie where constants do, at multiples of `align`; those without length are 0."""
        for at, n in zip(offsets, lengths):
            self.check(self.low <= at and at + n <= self.high and not at % align if n else not at,
                       "constants outside the buffer")

    def finite(self, at, n):
        """n float32 are numbers."""
        buf = self.buf
        for i in range(at + 3, at + 4 * n, 4):
            self.check(buf[i] & 127 < 127 or buf[i - 1] < 128, "parameter, it is not finite")


def read(buf, plan):
    """The Plan with all its tensors and ops, checked."""
    head = plan.head
    (_, _, _, _, _, _, n_tensors, n_ops, _, _, _, low, high, _) = struct.unpack_from(
        HEADER, head, 0)
    for i in range(len(plan.tensors), n_tensors):
        plan.tensors.append(tensor(buf, plan, i, low))
    tensors, ops, live = plan.tensors, [], []
    written = set()
    for k in range(plan.n_inputs):
        _write(tensors, k, live, written)
    check(len(live) == plan.n_inputs, "inputs, they overlap")
    by_rows = any([t.rows for t in tensors])  # rows_check looks at what lies where
    look = Look(buf, low, high)
    at, end = HEADER_SIZE + TENSOR_SIZE * n_tensors, low if head is buf else len(head)
    for i in range(n_ops):
        look.layer = i
        look.check(at + 4 <= end and at + 4 * head[at + 3] <= end, "record")
        op = _op(look, head, at, n_tensors)
        at += 4 * head[at + 3]
        x, y = [tensors[k] for k in op.inputs], [tensors[k] for k in op.outputs]
        for k in op.inputs:
            look.check(by_rows or _is_there(tensors, k, live, written), "tensor, nobody wrote it")
        for t in y:
            for s in () if by_rows else x:
                look.check(not _overlap(s, t) or room(op.opcode).IN_PLACE
                           and s.offset == t.offset and nbytes(s) == nbytes(t),
                           "arena, results overlap inputs")
        room(op.opcode).check(look, op, x, y)
        for k in op.outputs:
            look.check(k not in written and ~k not in written, "tensor, it is written twice")
            if by_rows:
                written.add(k)
            else:
                _write(tensors, k, live, written)
        ops.append(op)
    check(at == end, "records")
    plan = Plan(*(plan[:7] + (ops, None)))
    if by_rows:
        from ..rows_check import check_rows

        check_rows(plan)
        return plan
    for k in range(plan.n_inputs, plan.n_inputs + plan.n_outputs):
        check(_is_there(tensors, k, live, written), "output, nobody wrote it")
    return plan


def _op(look, head, at, n_tensors):
    opcode, n_x, n_y = head[at], head[at + 2] & 15, head[at + 2] >> 4
    if not 0 < opcode < len(NAMES):
        raise ModelError(f"unknown opcode {opcode} in layer {look.layer}: update aifes on the "
                         "board")
    try:
        op = room(opcode)
    except ImportError:
        raise ModelError(f"a model with {NAMES[opcode]}, the part of aifes for it lacks: "
                         "`aifes deploy` it")
    fields_at = at + 4 + (2 * (n_x + n_y) + 3 & ~3)
    look.check((n_x, n_y) == op.ENDS
               and 4 * head[at + 3] == fields_at - at + struct.calcsize(op.FIELDS), "record")
    numbers = struct.unpack_from("<%dH" % (n_x + n_y), head, at + 4)
    look.check(max(numbers) < n_tensors, "tensor number")
    return Op(opcode, head[at + 1], numbers[:n_x], numbers[n_x:],
              op.Fields(*struct.unpack_from(op.FIELDS, head, fields_at)))


def _overlap(a, b):
    return a.offset < b.offset + nbytes(b) and b.offset < a.offset + nbytes(a)


def _is_there(tensors, k, live, written):
    """Whether tensor k was written, or no op writes it but others lie in it one after another: then
    ~k is `written`."""
    if k in live or k in written:
        return k in live
    at, end = tensors[k].offset, tensors[k].offset + nbytes(tensors[k])
    starts, n = {tensors[j].offset: j for j in live}, 0
    while at < end and at in starts:
        at += nbytes(tensors[starts[at]])
        n += 1
    written.add(~k)
    return at == end and n > 1


def _write(tensors, k, live, written):
    """Tensor k comes into being; what lies there is gone."""
    for j in list(live):
        if _overlap(tensors[j], tensors[k]):
            live.remove(j)
    live.append(k)
    written.add(k)
