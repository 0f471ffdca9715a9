"""Quantize a float32 network on the board, with samples that the board has taken itself.

    quantizer = Quantizer(net)                     # a Sequential of dtype "f", or such a Model
    memory = bytearray(quantizer.parameter_memory_size())
    q7_net = quantizer.run(samples, memory)        # an aifes.Model
    q7_net.save("net.aifes")

method "mse" decides as `aifes quantize` on a PC does, to the last bit; "aifes" is AIfES's own rule.
"""
import gc
import json
import struct
import sys
from array import array

import aifes.activations as activations
import aifes.builder as builder
import aifes.q7 as q7
import aifes.scales as scales

from .f32_format import ACTIVATION_F32, ACTIVATIONS, DENSE_F32, SOFTMAX_F32
from .format import OP_SIZE, OPS_AT, ModelError, size
from .model import Model
from .quantizer_data import BINS, Data, Seen
from .seldom import flat
from .summary import metadata, rows_of

WORD = 4 if sys.maxsize < 1 << 32 else 8


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
        if not isinstance(net, Model) or net.input_dtype != "f":
            raise ModelError("quantize() takes a float32 network: Sequential(..., dtype='f') or a "
                             "model made by `aifes convert`")
        self.method = method
        self._exact = method == "mse"
        self._net = net
        self._ops = net._plan.ops

    def parameter_memory_size(self):
        """Bytes that the .aifes buffer of the Q7 network takes at most."""
        total = OPS_AT + len(self._metadata([(-32, -32768)] * (len(self._ops) + 1)))
        total += 3 * size(self._net._plan.input.shape) + 3 * self._ops[-1].n_out + 8
        before = None
        for op in self._ops:
            if op.opcode == DENSE_F32:
                total += OP_SIZE + op.n_in * op.n_out + 5 * op.n_out + 8
            elif op.opcode == ACTIVATION_F32:  # a table of the layer before it, or on its own
                alone = before is None or before.opcode not in (DENSE_F32, ACTIVATION_F32)
                if alone or before.opcode != DENSE_F32 or ACTIVATIONS[op.flags] != "relu":
                    total += 256 + (OP_SIZE if alone else 0)
            else:
                total += 512 + OP_SIZE
            before = op
        return total

    def heap_size(self):
        """Bytes of heap that run() takes at most besides memory, samples and the code itself."""
        dense = [op for op in self._ops if op.opcode == DENSE_F32]
        weights = [op.n_in * op.n_out for op in dense]
        outputs = sum([op.n_out for op in dense])
        widest = max([max(op.n_in, op.n_out) for op in self._ops])
        return (sum(weights) + (8 * BINS if self._exact else 0) + self._net._plan.arena
                + WORD * (6 * outputs + 24 * widest + 300 * len(self._ops) + 1500))

    def run(self, samples, memory=None, report=print):
        """The Q7 Model; its buffer is in `memory`, a bytearray of parameter_memory_size() bytes.

        samples: representative inputs: a sequence of samples, each a sequence of numbers, or one
        array('f') with all of them. Raises ModelError if they do not fit or a range cannot be
        expressed in 8 bits.
        report: called with a line of text each two seconds of a long run; None: never.
        """
        need = self.parameter_memory_size()
        if memory is None:
            memory = bytearray(need)
        _check_memory(memory, need)
        self._memory = memory
        # the largest pieces first, while the heap is in one piece
        self._weights_found = {i: bytearray(op.n_in * op.n_out) for i, op in enumerate(self._ops)
                               if op.opcode == DENSE_F32}
        self._data = Data(self._net, samples, report)
        found = self._build(False)
        if self._exact and self._ops[0].opcode == DENSE_F32 and self._is_worth():
            before = self._loss(found)
            found = self._build(True)
            if not 10 * self._loss(found) < scales.BETTER * before:
                found = self._build(False)
        self._data = self._ops_found = None
        return found

    def parameters(self, align=4):
        """AIfES's parameter buffer (bytes) of what run() found, for method "aifes" only.

        Sequential.load_parameters() takes it, and AIfES in C does. align: of its entries, 1, 2 or
        4. It is as long as parameter_memory_size() of the Q7 Sequential of the same layers.
        """
        if self._exact:
            raise ModelError("AIfES's parameter buffer can hold only what method 'aifes' finds")
        from .parameter_buffer import write

        return write(self._input_q, self._dense_found, align)

    def _build(self, per_feature):
        """The Q7 Model; per_feature: with a scale for each input, and each output of a last dense
        layer."""
        data, self._ops_found, self._dense_found = self._data, [], []
        low, high = data.low[-1], data.high[-1]
        if per_feature:
            self._scale = self._element_scales(-1, scales.MARGIN)
        else:
            self._scale = self._range(min(low), max(high), scales.MARGIN)
        self._input_q = self._scale
        found = [self._scale]
        for i in range(len(self._ops)):
            gc.collect()
            self._data.stage = f"layer {i + 1} of {len(self._ops)}"
            if self._ops[i].opcode == DENSE_F32:
                self._dense(i, per_feature)
            else:
                self._activation(i)
            found.append(self._scale)
        return self._assemble(self._metadata(found))

    def _range(self, low, high, margin=0.0):
        if self._exact:
            return q7.params(low, high, margin, min_shift=-32)
        return q7.params(low, high, 0.1)

    def _element_scales(self, i, margin=0.0):
        found = [scales.element_scale(low, high, margin)
                 for low, high in zip(self._data.low[i], self._data.high[i])]
        return [s for s, _ in found], [z for _, z in found]

    def _assemble(self, meta=b""):
        return Model(builder.assemble(self._ops_found, self._input_q, self._scale, metadata=meta,
                                      memory=self._memory))

    def _dense(self, i, per_feature):
        op, data = self._ops[i], self._data
        following = self._ops[i + 1] if i + 1 < len(self._ops) else None
        kind, alpha = None, 0
        if following and following.opcode == ACTIVATION_F32:
            kind, alpha = self._activation_of(following)
        in_shift, in_zero = self._scale
        row_shifts = None
        if not isinstance(in_shift, int):  # the inputs' scales go into the rows of the weights
            row_shifts, in_shift = in_shift, 0
        correct = self._exact and data.count >= scales.FEW
        low, high = min(data.low[i]), max(data.high[i])
        if self._exact:
            own = per_feature and following is None
            model = self._assemble() if self._ops_found and correct else None
            if correct or not own:
                seen = Seen(data, i, model, self._scale, correct)
            shift, zero = self._element_scales(i) if own else seen.best_scale(kind, alpha)
            w_shifts = [scales.weight_shift(self._weights(op, j, row_shifts))
                        for j in range(op.n_out)]
        else:
            shift, zero = wanted = self._range(low, high)
            largest = max([max([abs(w) for w in self._weights(op, j)]) for j in range(op.n_out)])
            w_shifts = [q7.params(-largest, largest)[0]] * op.n_out
        biases = struct.unpack_from("<%df" % op.n_out, self._net._buf, op.bias)
        shift, w_shifts = scales.fit(w_shifts, biases, in_shift, shift)
        if not self._exact and shift < wanted[0]:
            raise ModelError(f"layer {i}: AIfES's rule gives it a finer result than its "
                             "accumulator has; use method 'mse'")
        weights = self._weights_found[i]
        bias, down = [], []
        for j in range(op.n_out):
            data.show("output", j, op.n_out)
            at, total = j * op.n_in, 0
            for v in self._weights(op, j, row_shifts):
                q = q7.saturate(q7.fixed(v, w_shifts[j]))
                weights[at] = q & 255
                if correct:
                    total += q * seen.inputs[at - j * op.n_in]
                at += 1
            bits = in_shift + w_shifts[j]
            bias.append(scales.corrected_bias(
                seen.real[j], seen.first + scales.MEAN_BITS, total, bits, data.count)
                if correct else q7.fixed(biases[j], bits))
            down.append(bits - (shift if isinstance(shift, int) else shift[j]))
        if not self._exact:
            self._dense_found.append((op.interleave == 1, op.n_in, weights, bias,
                                      (w_shifts[0], 0), (shift, zero)))
        if down == down[:1] * op.n_out:
            down = down[0]
        self._ops_found.append(builder.dense_op(weights, 0, bias, in_zero, down, zero,
                                                self._exact))
        self._scale = shift, zero

    def _weights(self, op, j, row_shifts=None):
        """array('f') of the weights of output j, less the shifts of the inputs' scales."""
        buf, n = self._net._buf, op.n_in
        if op.interleave == 1:
            w = array("f", bytes(buf[op.weights + 4 * j * n:op.weights + 4 * (j + 1) * n]))
        else:
            w = array("f", [struct.unpack_from("<f", buf, op.weights + 4 * (k * op.n_out + j))[0]
                            for k in range(n)])
        if row_shifts:
            for k in range(n):
                w[k] = w[k] * 2.0 ** -row_shifts[k]
        return w

    def _activation_of(self, op):
        alpha = struct.unpack_from("<f", self._net._buf, op.table)[0] if op.table else 0
        return ACTIVATIONS[op.flags], alpha

    def _activation(self, i):
        op = self._ops[i]
        shift, zero = self._scale
        ops, n = self._ops_found, op.n_in
        if op.opcode != ACTIVATION_F32:
            make = (activations.exact_softmax_table if self._exact
                    else activations.aifes_softmax_table)
            ops.append(builder.softmax_op(n, make(shift), self._exact))
            self._scale = activations.OUT_SCALE["softmax"]
            return
        kind, alpha = self._activation_of(op)
        out = activations.OUT_SCALE.get(kind, self._scale)
        if kind == "relu":
            builder.fuse_clamp(ops, n, zero, 127)
        elif self._exact:
            if kind not in activations.OUT_SCALE:
                out = self._table_scale(kind, alpha, n)
            builder.fuse_map(ops, n, activations.exact_table(kind, alpha, shift, zero, *out))
        else:
            a_shift, a_zero = q7.params(-abs(alpha), abs(alpha))
            scalar = q7.quantize(alpha, a_shift, a_zero), a_shift, a_zero
            builder.fuse_map(ops, n, activations.aifes_table(kind, scalar, shift, zero))
        self._scale = out

    def _table_scale(self, kind, alpha, n):
        """(shift, zero point) for the results of an activation on those of the ops so far."""
        data, (shift, zero) = self._data, self._scale
        model = self._assemble() if self._ops_found else None
        counts = array("I", bytes(1024))
        y = array("b", bytes(n))
        for _ in data.each():
            if model:
                model.run(data.x, y)
            for k in range(n):
                q = y[k] if model else q7.saturate(q7.fixed(data.x[k], shift) + zero)
                counts[q + 128] += 1
        return scales.table_scale(counts, scales.behind(kind, alpha, scales.table_bits(shift)),
                                  self._scale)

    def _is_worth(self):
        """Whether scales for each input and each output may be better: they are compared then."""
        if scales.is_worth(self._input_q[0], self._element_scales(-1, scales.MARGIN)[0]):
            return True
        last = len(self._ops) - 1
        return self._ops[last].opcode == DENSE_F32 and scales.is_worth(
            self._scale[0], self._element_scales(last)[0])

    def _loss(self, model):
        """What the Q7 network loses of the float network's outputs."""
        data, n = self._data, self._ops[-1].n_out
        shifts, zeros = [v if isinstance(v, (list, tuple)) else [v] * n for v in self._scale]
        sums = [[0, 0, 0] for _ in range(n)]
        data.stage = "comparing"
        y = array("b", bytes(n))
        for _ in data.each():
            model.run(data.x, y)
            real = data.results(len(self._ops))
            for j in range(n):
                r = q7.fixed(real[j], shifts[j] + scales.ERROR_BITS)
                s = sums[j]
                s[0] += ((y[j] - zeros[j] << scales.ERROR_BITS) - r) ** 2
                s[1] += r
                s[2] += r * r
        return scales.error(sums, data.count)

    def _metadata(self, found):
        """JSON with the names of the float network and the scales that were found."""
        given = metadata(self._net._buf, self._net._plan)
        rows = given.get("layers") or rows_of(self._net._plan)
        from . import __version__

        meta = {"name": given.get("name") or "network",
                "layers": [list(row[:3]) + (list(q) if isinstance(q[0], int) else [None, None])
                           for row, q in zip(rows, found)],
                "made": f"aifes {__version__}, method {self.method}, on the board"}
        if given.get("labels"):
            meta["labels"] = given["labels"]
        last = self._ops[-1]
        if last.n_out == 1:
            probability = last.opcode == SOFTMAX_F32 or (
                last.opcode == ACTIVATION_F32 and ACTIVATIONS[last.flags] == "sigmoid")
            meta["boundary"] = given.get("boundary", 0.5 if probability else 0)
        return bytes(json.dumps(meta), "utf-8")
