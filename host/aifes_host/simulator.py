"""NumPy execution of an .aifes buffer: the same numbers as on the board, thousands at a time.

Samples are rows of one array: all inputs side by side, all outputs side by side. The kernels stand
in ops/, one file for each op.
"""
import numpy as np
from aifes import ops as device
from aifes.format import FLOAT32, decode, size
from aifes.quantizer.parts import parts

from .ops import ROOMS
from .scales import dequantize_values, quantize_values


def simulate(model, x):
    """Real outputs [samples, outputs] of the model (bytes) for real inputs [samples, inputs]."""
    return Simulator(model)(x)


class Simulator:
    """A prepared model; `plan`: the decoded buffer (aifes.format.Plan); `parts`: of its tensors.

    inputs, outputs: their Tensors; n_in, n_out: elements of all of them. Of a float32 model all
    that is called int8 below is float32.
    """

    def __init__(self, model):
        self._buf = np.frombuffer(model, np.uint8)
        self.plan = decode(memoryview(model))
        n, tensors = self.plan.n_inputs, self.plan.tensors
        self.inputs, self.outputs = tensors[:n], tensors[n:n + self.plan.n_outputs]
        self.n_in, self.n_out = (sum(size(t.shape) for t in ends)
                                 for ends in (self.inputs, self.outputs))
        self.is_float = tensors[0].dtype == FLOAT32
        self.parts = parts(self.plan)
        self._kernels = []
        for op in self.plan.ops:
            ours = ROOMS[device.NAMES[op.opcode]]
            kernel = ours.float32 if self.is_float else ours.int8
            self._kernels.append(kernel(self._buf, op, tensors))

    def scale(self, tensor):
        """(shift, zero point) of a Tensor, ints or arrays with one item an element."""
        if not tensor.scales:
            return tensor.shift, tensor.zero_point
        n = size(tensor.shape)
        table = self._buf[tensor.scales:tensor.scales + 3 * n].tobytes()
        return np.frombuffer(table[:n], np.int8).astype(int), np.frombuffer(table[n:], "<i2") * 1

    def quantized(self, x):
        """What run() takes, of real inputs [samples, inputs]."""
        if self.is_float:
            return np.nan_to_num(np.asarray(x, np.float32))  # infinities: the largest number
        return quantize_values(x, *self._joined(self.inputs))

    def real(self, y):
        """Real outputs (float64) of what run() returns."""
        if self.is_float:
            return y.astype(np.float64)
        return dequantize_values(y, *self.output_scale)

    @property
    def output_scale(self):
        """scale() of all outputs side by side."""
        return self._joined(self.outputs)

    def _joined(self, ends):
        if len(ends) == 1:
            return self.scale(ends[0])
        found = [[np.broadcast_to(v, size(t.shape)) for v in self.scale(t)] for t in ends]
        return tuple(np.concatenate(part) for part in zip(*found))

    def __call__(self, x):
        return self.real(self.run(self.quantized(x)))

    def run(self, q):
        """int8 [samples, outputs] for int8 [samples, inputs]."""
        values, n = self.values(q), self.plan.n_inputs
        return np.concatenate([values[n + k] for k in range(len(self.outputs))], axis=1)

    def values(self, q):
        """The int8 {number of tensor: [samples, elements]} for int8 [samples, inputs]."""
        ends = np.cumsum([size(t.shape) for t in self.inputs])
        values = dict(enumerate(np.split(q, ends[:-1], axis=1)))
        for i, op in enumerate(self.plan.ops):
            values[op.outputs[0]] = self.step(i, *[self._taken(k, values) for k in op.inputs])
        for k in range(self.plan.n_inputs, self.plan.n_inputs + len(self.outputs)):
            self._taken(k, values)
        return values

    def _taken(self, k, values):
        """Tensor k, which may be made of parts."""
        if k not in values:
            values[k] = np.concatenate([values[j] for j in self.parts[k]], axis=1)
        return values[k]

    def results(self, q):
        """The int8 result of every op for int8 [samples, inputs]."""
        values = self.values(q)
        return [values[op.outputs[0]] for op in self.plan.ops]

    def step(self, i, *q):
        """The int8 result of op i for its int8 inputs [samples, elements]."""
        with np.errstate(over="ignore", invalid="ignore"):  # float32 as on the board
            return self._kernels[i](*q)
