"""The walk of the quantizer through a float32 model: what the files of the ops here work with."""
import gc
import json
import struct
from array import array

import aifes.layers.q7 as q7

from ..format import HEADER, INT8, Op, Tensor, decode, metadata
from ..layers.assemble import assemble
from ..model import Model, size
from ..ops import room
from . import scales
from .data import Data, Seen, by_element
from .parts import parts


class Work:
    """A float32 model on its way to int8.

    exact: rounding to nearest, not AIfES's rule. plan, buf: of the float32 model. per_element:
    inputs and outputs get a scale for each element. scales: (shift, zero point) of the tensors so
    far, by number; factors: of their channels (equalize.py); buffers: what each op asked for;
    windows: what one op after the other uses; data: the samples; found_dense: for AIfES.
    wholes: {tensor: those that lie in it}, parts.py; homes: {part: the largest whole}.
    """

    def __init__(self, net, method):
        self.method = method
        self.exact = method == "mse"
        self.buf = net._buf
        self.plan = decode(net._buf)
        self._net = net
        self.rooms = [room(op.opcode, "aifes.quantizer.") for op in self.plan.ops]
        self.wholes, self.homes = parts(self.plan), {}
        for whole, inner in self.wholes.items():
            for t in inner:
                home = self.homes.get(t, whole)
                self.homes[t] = whole if len(inner) >= len(self.wholes[home]) else home
        for whole, inner in self.wholes.items():
            if self.homes[inner[0]] != whole:
                self.homes[whole] = self.homes[inner[0]]

    def size(self):
        """Bytes that the .aifes buffer of the Q7 network takes at most."""
        plan = self.plan
        # header, tensors and records are those of the float32 model
        total = struct.unpack_from(HEADER, plan.head, 0)[11] + 8
        total += len(self._metadata([(-32, -32768)] * (plan.n_inputs + len(plan.ops))))
        for t in plan.tensors[:plan.n_inputs + plan.n_outputs]:
            total += 3 * size(t.shape) + 3
        # a part may take a table of its own, by an op of its own
        total += len(self.homes) * (256 + 4 + 28 + 12)
        return total + sum(self.asked("most"))

    def asked(self, what):
        """The bytes that each op asks for, as its room's function of this name says."""
        return [getattr(r, what)(self, i) if hasattr(r, what) else 0
                for i, r in enumerate(self.rooms)]

    def run(self, samples, memory, report):
        """The Q7 Model, in memory; arguments as of Quantizer.run()."""
        self._memory = memory
        # the largest pieces first, while the heap is in one piece
        self.buffers = [bytearray(n) for n in self.asked("buffer")]
        self.windows = array("h", bytes(2 * max(self.asked("windows"))))
        self.data = Data(self._net, self.plan, samples, report, [
            op.outputs[0] for op, r in zip(self.plan.ops, self.rooms)
            if r.RANGE or op.outputs[0] in self.homes])
        factors = {}
        if self.exact:
            from .equalize import equalize

            factors = equalize(self)
        way = False, factors
        found = [self._build(*way)]  # so that it can go before another one is built
        if self._may_differ() and self._is_worth():
            way = self._better(way, (True, factors), found)
        # a few channels of a few samples: their ranges may be too narrow for others
        if factors and not [1 for t in self.plan.tensors if len(t.shape) > 1]:
            way = self._better(way, (way[0], {}), found)
        self.data = self._ops = None
        return found.pop()

    def _better(self, way, other, found):
        """Of two ways to _build() the one that loses clearly less. found: [what the first one just
        built], then what that way builds."""
        before = self._loss(found.pop())
        found.append(self._build(*other))
        if 10 * self._loss(found[0]) < scales.BETTER * before:
            return other
        found.clear()
        found.append(self._build(*way))
        return way

    def range(self, low, high, margin=0.0):
        """(shift, zero point) of a range, by the method's rule."""
        if self.exact:
            return q7.params(low, high, margin, min_shift=-32)
        return q7.params(low, high, 0.1)

    def _input_scale(self, t):
        """(shift, zero point) of an input, or of a whole with one."""
        return self.range(*self.seen_range(t), scales.margin(self.plan.tensors[t].shape))

    def behind(self, t):
        """(kind, alpha) of the activation that stands for what alone reads tensor t, else
        (None, 0)."""
        readers = self.readers(t)
        if len(readers) == 1 and not self.is_output(t) and t not in self.homes:
            reader = room(readers[0].opcode, "aifes.quantizer.")
            if hasattr(reader, "stands_for"):
                return reader.stands_for(self, readers[0])
        return None, 0

    def ends(self, t):
        """(low, high) of tensor t, with the factors of its channels."""
        low, high, factors = self.data.low[t], self.data.high[t], self.factors.get(t)
        if not factors:
            return min(low), max(high)
        n = len(factors)
        found = array("f", (low[0] * factors[0], high[0] * factors[0], 0, 0))
        for k in range(1, len(low)):
            found[2], found[3] = low[k] * factors[k % n], high[k] * factors[k % n]
            found[0], found[1] = min(found[0], found[2]), max(found[1], found[3])
        return found[0], found[1]

    def seen_range(self, t):
        """(low, high) of tensor t, without what a clamp behind it cuts."""
        inner, (kind, alpha) = self.wholes.get(t, (t,)), self.behind(t)
        ends = [self.ends(k) for k in inner]
        low, high = min([e[0] for e in ends]), max([e[1] for e in ends])
        return max(low, alpha) if kind == "clamp" else low, high

    def scale(self, y, seen):
        """(shift, zero point) of tensor y: the one that loses least of what was seen, or that it
        shares with others."""
        return self.shared(y) or seen.best_scale()

    def shared(self, t):
        """(shift, zero point) of the whole of which t is a part, at once or by ops that keep the
        scale; None if it is of none."""
        whole = self._whole(t)
        if whole is not None and whole not in self._common:
            inner = self.wholes[whole]
            if [1 for k in range(self.plan.n_inputs) if self._whole(k) == whole]:
                self._common[whole] = self._input_scale(whole)
            else:
                last = max([i for i, op in enumerate(self.plan.ops) if op.outputs[0] in inner])
                self._common[whole] = Seen(self, last, y=whole).best_scale()
        return self._common.get(whole)

    def _whole(self, t):
        whole = t if t in self.wholes else None
        while True:
            readers = self.readers(t)
            if t in self.homes:
                t = whole = self.homes[t]
            elif len(readers) == 1 and not self.is_output(t) and self._keeps(readers[0]):
                t = readers[0].outputs[0]
            else:
                return whole

    def _keeps(self, op):
        ours = room(op.opcode, "aifes.quantizer.")
        return hasattr(ours, "keeps") and ours.keeps(self, op)

    def is_end(self, t):
        """Whether tensor t is an output, and nothing else."""
        return self.is_output(t) and not self.readers(t) and t not in self.homes

    def biases(self, op, n):
        """array('f') of the n biases of an op with weights, with the factors of its channels."""
        found = array("f", bytes(self.buf[op.fields.bias:op.fields.bias + 4 * n]))
        factors = self.factors.get(op.outputs[0])
        if factors:
            for j in range(n):
                found[j] = found[j] * factors[j % len(factors)]
        return found

    def clamps(self, op):
        """Whether a clamp in place of op can be part of the op before it."""
        t, y = op.inputs[0], op.outputs[0]
        tensors = self.plan.tensors
        return self.behind(t)[0] and tensors[t].offset == tensors[y].offset and any(
            [hasattr(o.fields, "low") for o in self.plan.ops if t in o.outputs])

    def is_output(self, t):
        return 0 <= t - self.plan.n_inputs < self.plan.n_outputs

    def readers(self, t):
        return [op for op in self.plan.ops if t in op.inputs]

    def put(self, i, draft, scale):
        """The Draft that computes op i, and the (shift, zero point) of its result."""
        op = self.plan.ops[i]
        self._ops.append([draft, op.inputs, op.outputs])
        self._made(self._ops[-1], scale)

    def _made(self, made, scale):
        """Note the scale of what an op of _ops makes; of a part it becomes that of the whole."""
        draft, _, ys = made
        y = ys[0]
        self.scales[y] = scale
        wanted = self.shared(y) if y in self.homes and self.exact else scale
        if wanted == scale:
            return
        from ..layers.activations import exact_table
        from ..layers.map import fuse_map

        drafts = [draft]
        fuse_map(drafts, draft.n_out, exact_table("leaky_relu", 1, scale[0], scale[1], *wanted))
        made[0] = drafts[0]
        if len(drafts) > 1:  # in place, from a tensor of its own
            made[2] = (-1 - y,) + ys[1:]
            self._ops.append([drafts[1], (-1 - y,), (y,)])
        self.scales[y] = wanted

    def fuse(self, i, change, scale):
        """change(drafts) puts op i into the last Draft of a list, or adds one behind it."""
        op = self.plan.ops[i]
        t, y = op.inputs[0], op.outputs[0]
        tensors = self.plan.tensors
        before = [o for o in self._ops if o[2][0] == t and len(self.readers(t)) == 1
                  and not self.is_output(t) and tensors[t].offset == tensors[y].offset]
        drafts = [o[0] for o in before]
        change(drafts)
        if len(drafts) == 1 and before:
            before[0][0], before[0][2] = drafts[0], (y,) + before[0][2][1:]
            self._made(before[0], scale)
        else:
            self.put(i, drafts[-1], scale)

    def model(self, t):
        """The Q7 network so far, whose output is tensor t; None if that is an input."""
        return self._assemble((t,)) if t >= self.plan.n_inputs else None

    def _build(self, per_element, factors):
        """The Q7 Model; per_element: with a scale for each input, and each output of a last dense
        layer; factors: of channels, of equalize.py."""
        data, plan = self.data, self.plan
        self.per_element, self.factors = per_element, factors
        self._ops, self.scales, self.found_dense, self._common = [], {}, [], {}
        for t in range(plan.n_inputs):
            self.scales[t] = self.shared(t) or (
                data.element_scales(t, scales.MARGIN) if per_element else self._input_scale(t))
        for i in range(len(plan.ops)):
            gc.collect()
            data.stage = f"layer {i + 1} of {len(plan.ops)}"
            for t in plan.ops[i].inputs:
                if t in self.wholes:
                    self.scales[t] = self.shared(t)
            self.rooms[i].quantize(self, i)
        found = [self.scales[t] for t in range(plan.n_inputs)]
        found += [self.scales[op.outputs[0]] for op in plan.ops]
        outputs = range(plan.n_inputs, plan.n_inputs + plan.n_outputs)
        for t in outputs:
            if t in self.wholes:
                self.scales[t] = self.shared(t)
        return Model(self._assembled(outputs, self._metadata(found)))

    def _assemble(self, outputs):
        return Model(self._assembled(outputs))

    def _assembled(self, outputs, meta=b""):
        """The buffer of the ops so far. Where a float32 tensor lies, there lies its int8 one."""
        plan, n = self.plan, self.plan.n_inputs
        order = list(range(n)) + list(outputs)
        order += [ys[0] for _, _, ys in self._ops if ys[0] not in outputs]
        order += [t for t in self.wholes if t not in outputs and [
            1 for _, xs, _ in self._ops if t in xs]]
        order += [y for _, _, ys in self._ops for y in ys[1:]]  # scratch
        tensors = []
        for t in order:
            shift, zero = self.scales.get(t, (0, 0))  # none of scratch
            own = None if isinstance(shift, int) else (shift, zero)
            end = t < n or t in outputs
            place = plan.tensors[t if t >= 0 else -1 - t]
            tensors.append(Tensor(
                INT8, 0 if own or not end else shift, 0 if own or not end else zero,
                place.offset // 4, own, place.shape))
        number = {t: k for k, t in enumerate(order)}
        ops = [Op(draft.opcode, draft.flags, tuple([number[t] for t in x]),
                  tuple([number[t] for t in y]), draft.fields) for draft, x, y in self._ops]
        return assemble(ops, tensors, n, len(outputs), plan.arena // 4, meta, self._memory)

    def _may_differ(self):
        """Whether inputs, and outputs, may have a scale for each element."""
        readers = [op for t in range(self.plan.n_inputs) for op in self.readers(t)]
        parts = [t for t in range(self.plan.n_inputs) if t in self.homes]
        return self.exact and not parts and all([
            room(op.opcode, "aifes.quantizer.").BY_ELEMENT for op in readers])

    def _is_worth(self):
        """Whether scales for each input and each output may be better: they are compared then."""
        plan = self.plan
        for t in range(plan.n_inputs):
            if scales.is_worth(self.scales[t][0], self.data.element_scales(t, scales.MARGIN)[0]):
                return True
        for r, op in zip(self.rooms, plan.ops):
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
            shifts, zeros = by_element(self.scales[t], n)
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
