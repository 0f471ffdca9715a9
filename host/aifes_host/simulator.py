"""NumPy execution of an .aifes buffer: the same integers as on the board, thousands at a time."""
import numpy as np
from aifes.format import DENSE, FLOAT32, MAP, NEAREST, decode, size

from . import simulator_f32


def simulate(model, x):
    """Real outputs [samples, outputs] of the model (bytes) for real inputs [samples, inputs]."""
    return Simulator(model)(x)


def quantize_values(x, shift, zero_point):
    """int8 of real values as the runtime reads float32: halves away from zero, NaN as 0."""
    x = np.nan_to_num(np.asarray(x, np.float32).astype(np.float64), posinf=1e30, neginf=-1e30)
    q = np.ldexp(x, shift)
    q = np.trunc(q + np.copysign(0.5, q)) + zero_point
    return np.clip(q, -128, 127).astype(np.int8)


def stored_weights(buf, op):
    """The uint8 weights [n_in, n_out] of a dense op of a buffer (array of uint8)."""
    blocks = -(-op.n_out // op.interleave)
    w = buf[op.weights:op.weights + blocks * op.interleave * op.n_in].reshape(blocks, -1)
    whole = op.n_in - op.n_in % op.group  # inputs in full groups; the rest forms a smaller one
    parts = [w[:, start * op.interleave:][:, :n * op.interleave].reshape(
        blocks, -1, op.interleave, size).transpose(1, 3, 0, 2).reshape(n, -1)
        for start, n, size in ((0, whole, op.group), (whole, op.n_in - whole, op.n_in - whole))
        if n]
    return np.concatenate(parts)[:, :op.n_out]


def dequantize_values(q, shift, zero_point):
    """Real values of int8."""
    return np.ldexp(q.astype(np.float64) - zero_point, -np.asarray(shift))


class Simulator:
    """A prepared model; `plan`: the decoded buffer (aifes.format.Plan).

    Of a float32 model all that is called int8 below is float32.
    """

    def __init__(self, model):
        self._buf = np.frombuffer(model, np.uint8)
        self.plan = decode(memoryview(model))
        self.is_float = self.plan.input.dtype == FLOAT32
        self._steps = [self._step(op) for op in self.plan.ops]

    def scale(self, tensor):
        """(shift, zero point) of the input or output, ints or arrays with one item an element."""
        if not tensor.features:
            return tensor.shift, tensor.zero_point
        n = size(tensor.shape)
        table = self._buf[tensor.features:tensor.features + 3 * n].tobytes()
        return np.frombuffer(table[:n], np.int8).astype(int), np.frombuffer(table[n:], "<i2") * 1

    def __call__(self, x):
        if self.is_float:
            with np.errstate(over="ignore", invalid="ignore"):  # as on the board
                return self.run(simulator_f32.finite(x)).astype(np.float64)
        q = quantize_values(x, *self.scale(self.plan.input))
        return dequantize_values(self.run(q), *self.scale(self.plan.output))

    def run(self, q):
        """int8 [samples, outputs] for int8 [samples, inputs]."""
        return self.results(q)[-1]

    def step(self, i, q):
        """The int8 result of op i for its int8 input [samples, n_in]."""
        return self._steps[i](q)

    def results(self, q):
        """The int8 result of every op for int8 [samples, inputs]."""
        found = []
        for step in self._steps:
            q = step(q)
            found.append(q)
        return found

    def _step(self, op):
        if self.is_float:
            return simulator_f32.step(self._buf, op)
        if op.opcode == DENSE:
            return self._dense(op)
        if op.opcode == MAP:
            table = self._buf[op.table:op.table + 256].view(np.int8)
            return lambda q: table[q.astype(np.int16) + 128]
        return self._softmax(op)

    def _dense(self, op):
        w = stored_weights(self._buf, op).astype(np.float64)
        w -= op.weight_zero  # products and sums stay below 2**53: exact in BLAS's float64
        bias = self._buf[op.bias:op.bias + 4 * op.n_out].view("<i4")
        shift = (self._buf[op.shifts:op.shifts + op.n_out].astype(np.int32) if op.shifts
                 else np.int32(op.shift))
        table = self._buf[op.table:op.table + 256].view(np.int8) if op.table else None

        def run(q):
            acc = (q.astype(np.float64) @ w).astype(np.int32) + bias
            y = np.clip((acc >> shift) + op.zero_point, op.low, op.high)
            return y.astype(np.int8) if table is None else table[y + 128]

        return run

    def _softmax(self, op):
        table = self._buf[op.table:op.table + 512].view("<u2").astype(np.int64)

        def run(q):
            q = q.astype(np.int64)
            e = table[q.max(axis=1, keepdims=True) - q]
            total = e.sum(axis=1, keepdims=True)
            if op.flags & NEAREST:
                p = ((e << 8) + (total >> 1)) // total
            else:
                p = (e << 8) // (total + 1)
            return (np.minimum(p, 255) - 128).astype(np.int8)

        return run
