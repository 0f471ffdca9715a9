"""Quantize a float32 network on the board, with samples that the board has taken itself.

    quantizer = Quantizer(net)                     # a Sequential of dtype "f", or such a Model
    memory = bytearray(quantizer.parameter_memory_size())
    q7_net = quantizer.run(samples, memory)        # an aifes.Model
    q7_net.save("net.aifes")

method "mse" decides as `aifes quantize` on a PC does, to the last bit; "aifes" is AIfES's own rule.
How an op is quantized is in a file of its name here, imported when a network has it:
    BY_ELEMENT, RANGE           see dense.py
    most(work, i)               bytes that its constants take at most; i: of the float32 model's op
    buffer(work, i)             bytes of work.buffers[i], which it may use
    quantize(work, i)           calls work.put() or work.fuse(); work: the Quantizer
"""
import gc
import json
import struct
import sys
from array import array

import aifes.layers.q7 as q7

from ..format import HEADER, INT8, ModelError, Op, Tensor, decode, metadata, size
from ..layers.assemble import assemble
from ..model import Model, flat
from ..ops import NAMES, room
from . import scales
from .data import BINS, Data

WORD = 4 if sys.maxsize < 1 << 32 else 8
MAP = NAMES.index("map")


def quantize(net, samples, memory=None, method="mse", report=print):
    """The Q7 Model of a float32 network: Quantizer(net, method).run(samples, memory, report)."""
    return Quantizer(net, method).run(samples, memory, report)


def _check_memory(memory, need):
    try:
        view = flat(memory)
        if len(view) < need:
            raise ModelError(f"memory has {len(view)} items, this network needs {need} bytes: "
                             "bytearray(quantizer.parameter_memory_size())")
        first, view[0] = view[0], 255
        ok = view[0] == 255 and len(bytes(view[0:1])) == 1
        view[0] = first
    except (TypeError, OverflowError):
        ok = False
    except ValueError as error:
        if isinstance(error, ModelError):
            raise
        ok = False
    if not ok:
        raise ModelError("memory is a writable buffer of bytes: a bytearray or a memoryview of one")


class Quantizer:
    """Knows what quantizing a network takes before it starts.

    net: a Sequential of dtype "f" or a Model of float32. Raises ModelError for others.
    """

    def __init__(self, net, method="mse"):
        if method not in ("mse", "aifes"):
            raise ModelError("method is 'mse' or 'aifes'")
        if getattr(net, "dtype", "") == "f":
            net = net.schedule_inference_memory()
        if not isinstance(net, Model) or chr(net._plan.tensors[0].dtype) != "f":
            raise ModelError("quantize() takes a float32 network: Sequential(..., dtype='f') or a "
                             "model made by `aifes convert`")
        self.method = method
        self.exact = method == "mse"
        self.buf = net._buf
        self.plan = decode(net._buf)
        self._net = net
        self._rooms = [room(op.opcode, "aifes.quantizer.") for op in self.plan.ops]

    def parameter_memory_size(self):
        """Bytes that the .aifes buffer of the Q7 network takes at most."""
        plan = self.plan
        # header, tensors and records are those of the float32 model
        total = struct.unpack_from(HEADER, plan.head, 0)[11] + 8
        total += len(self._metadata([(-32, -32768)] * (plan.n_inputs + len(plan.ops))))
        for t in plan.tensors[:plan.n_inputs + plan.n_outputs]:
            total += 3 * size(t.shape) + 3
        return total + sum([r.most(self, i) for i, r in enumerate(self._rooms)])

    def heap_size(self):
        """Bytes of heap that run() takes at most besides memory, samples and the code itself."""
        plan = self.plan
        widest = max([size(t.shape) for t in plan.tensors])
        outputs = sum([size(plan.tensors[op.outputs[0]].shape) for op in plan.ops])
        held = sum([r.buffer(self, i) for i, r in enumerate(self._rooms)])
        return (held + (8 * BINS if self.exact else 0) + plan.arena
                + WORD * (6 * outputs + 24 * widest + 300 * len(plan.ops) + 1500))

    def run(self, samples, memory=None, report=print):
        """The Q7 Model; its buffer is in `memory`, a bytearray of parameter_memory_size() bytes.

        samples: representative inputs: a sequence of samples, each a sequence of numbers (of all
        inputs, one after another), or one array('f') with all of them. Raises ModelError if they
        do not fit or a range cannot be expressed in 8 bits.
        report: called with a line of text each two seconds of a long run; None: never.
        """
        need = self.parameter_memory_size()
        if memory is None:
            memory = bytearray(need)
        _check_memory(memory, need)
        self._memory = memory
        # the largest pieces first, while the heap is in one piece
        self.buffers = [bytearray(r.buffer(self, i)) for i, r in enumerate(self._rooms)]
        self.data = Data(self._net, self.plan, samples, report, [
            op.outputs[0] for op, r in zip(self.plan.ops, self._rooms) if r.RANGE])
        found = self._build(False)
        if self._may_differ() and self._is_worth():
            before = self._loss(found)
            found = self._build(True)
            if not 10 * self._loss(found) < scales.BETTER * before:
                found = self._build(False)
        self.data = self._ops = None
        return found

    def parameters(self, align=4):
        """AIfES's parameter buffer (bytes) of what run() found, for method "aifes" only.

        Sequential.load_parameters() takes it, and AIfES in C does. align: of its entries, 1, 2 or
        4. It is as long as parameter_memory_size() of the Q7 Sequential of the same layers.
        """
        if self.exact:
            raise ModelError("AIfES's parameter buffer can hold only what method 'aifes' finds")
        from ..layers.parameter_buffer import write

        return write(self.scales[0], self.found_dense, align)

    # what the files of the ops ask

    def range(self, low, high, margin=0.0):
        """(shift, zero point) of a range, by the method's rule."""
        if self.exact:
            return q7.params(low, high, margin, min_shift=-32)
        return q7.params(low, high, 0.1)

    def behind(self, t):
        """(kind, alpha) of the activation that is all that reads tensor t, else (None, 0)."""
        readers = self._readers(t)
        if len(readers) == 1 and readers[0].opcode == MAP and not self._is_output(t):
            return room(MAP, "aifes.quantizer.").function(self, readers[0])
        return None, 0

    def is_end(self, t):
        """Whether tensor t is an output, and nothing else."""
        return self._is_output(t) and not self._readers(t)

    def clamps(self, op):
        """Whether a clamp in place of op can be part of the op before it."""
        t, y = op.inputs[0], op.outputs[0]
        tensors = self.plan.tensors
        return self.behind(t)[0] and tensors[t].offset == tensors[y].offset and any(
            [r.RANGE for o, r in zip(self.plan.ops, self._rooms) if t in o.outputs])

    def _is_output(self, t):
        return 0 <= t - self.plan.n_inputs < self.plan.n_outputs

    def _readers(self, t):
        return [op for op in self.plan.ops if t in op.inputs]

    def put(self, i, draft, scale):
        """The Draft that computes op i, and the (shift, zero point) of its result."""
        op = self.plan.ops[i]
        self._ops.append([draft, op.inputs, op.outputs[0]])
        self.scales[op.outputs[0]] = scale

    def fuse(self, i, change, scale):
        """change(drafts) puts op i into the last Draft of a list, or adds one behind it."""
        op = self.plan.ops[i]
        t, y = op.inputs[0], op.outputs[0]
        tensors = self.plan.tensors
        before = [o for o in self._ops if o[2] == t and len(self._readers(t)) == 1
                  and not self._is_output(t) and tensors[t].offset == tensors[y].offset]
        drafts = [o[0] for o in before]
        change(drafts)
        if len(drafts) == 1 and before:
            before[0][0], before[0][2] = drafts[0], y
            self.scales[y] = scale
        else:
            self.put(i, drafts[-1], scale)

    def model(self, t):
        """The Q7 network so far, whose output is tensor t; None if that is an input."""
        return self._assemble((t,)) if t >= self.plan.n_inputs else None

    def _build(self, per_element):
        """The Q7 Model; per_element: with a scale for each input, and each output of a last dense
        layer."""
        data, plan = self.data, self.plan
        self.per_element = per_element
        self._ops, self.scales, self.found_dense = [], {}, []
        for t in range(plan.n_inputs):
            self.scales[t] = (data.element_scales(t, scales.MARGIN) if per_element
                              else self.range(min(data.low[t]), max(data.high[t]), scales.MARGIN))
        for i in range(len(plan.ops)):
            gc.collect()
            data.stage = f"layer {i + 1} of {len(plan.ops)}"
            self._rooms[i].quantize(self, i)
        found = [self.scales[t] for t in range(plan.n_inputs)]
        found += [self.scales[op.outputs[0]] for op in plan.ops]
        outputs = range(plan.n_inputs, plan.n_inputs + plan.n_outputs)
        return Model(self._assembled(outputs, self._metadata(found)))

    def _assemble(self, outputs):
        return Model(self._assembled(outputs))

    def _assembled(self, outputs, meta=b""):
        """The buffer of the ops so far. Where a float32 tensor lies, there lies its int8 one."""
        plan, n = self.plan, self.plan.n_inputs
        order = list(range(n)) + list(outputs)
        order += [y for _, _, y in self._ops if y not in outputs]
        tensors = []
        for t in order:
            shift, zero = self.scales[t]
            own = None if isinstance(shift, int) else (shift, zero)
            end = t < n or t in outputs
            tensors.append(Tensor(
                INT8, 0 if own or not end else shift, 0 if own or not end else zero,
                plan.tensors[t].offset // 4, own, plan.tensors[t].shape))
        number = {t: k for k, t in enumerate(order)}
        ops = [Op(draft.opcode, draft.flags, tuple([number[t] for t in x]), (number[y],),
                  draft.fields) for draft, x, y in self._ops]
        return assemble(ops, tensors, n, len(outputs), plan.arena // 4, meta, self._memory)

    def _may_differ(self):
        """Whether inputs, and outputs, may have a scale for each element."""
        readers = [op for t in range(self.plan.n_inputs) for op in self._readers(t)]
        return self.exact and all([room(op.opcode, "aifes.quantizer.").BY_ELEMENT
                                   for op in readers])

    def _is_worth(self):
        """Whether scales for each input and each output may be better: they are compared then."""
        plan = self.plan
        for t in range(plan.n_inputs):
            if scales.is_worth(self.scales[t][0], self.data.element_scales(t, scales.MARGIN)[0]):
                return True
        for r, op in zip(self._rooms, plan.ops):
            y = op.outputs[0]
            if r.BY_ELEMENT and self.is_end(y) and scales.is_worth(
                    self.scales[y][0], self.data.element_scales(y)[0]):
                return True
        return False

    def _loss(self, model):
        """What the Q7 network loses of the float network's outputs."""
        data, plan = self.data, self.plan
        outputs = range(plan.n_inputs, plan.n_inputs + plan.n_outputs)
        found, sums = [], []
        for t in outputs:
            n = size(plan.tensors[t].shape)
            shifts, zeros = [v if isinstance(v, (list, tuple)) else [v] * n
                             for v in self.scales[t]]
            found.append((t, array("b", bytes(n)), shifts, zeros, len(sums)))
            sums += [[0, 0, 0] for _ in range(n)]
        data.stage = "comparing"
        ys = tuple([y for _, y, _, _, _ in found])
        for _ in data.each():
            data.run(model, ys)
            data.results(len(plan.ops))
            for t, y, shifts, zeros, at in found:
                real = data.value(t)
                for j in range(len(y)):
                    r = q7.fixed(real[j], shifts[j] + scales.ERROR_BITS)
                    s = sums[at + j]
                    s[0] += ((y[j] - zeros[j] << scales.ERROR_BITS) - r) ** 2
                    s[1] += r
                    s[2] += r * r
        return scales.error(sums, data.count)

    def _metadata(self, found):
        """JSON with the names of the float network and the scales that were found."""
        from .. import __version__

        given = metadata(self.buf, self.plan)
        rows = given.get("layers")
        if not rows:
            from ..summary import rows_of

            rows = rows_of(self.plan)

        meta = {"name": given.get("name") or "network",
                "layers": [list(row[:3]) + (list(q) if isinstance(q[0], int) else [None, None])
                           for row, q in zip(rows, found)],
                "made": f"aifes {__version__}, method {self.method}, on the board"}
        if given.get("labels"):
            meta["labels"] = given["labels"]
        if "boundary" in given:
            meta["boundary"] = given["boundary"]
        return bytes(json.dumps(meta), "utf-8")
