"""NumPy execution of an .aifes buffer: the same numbers as on the board, thousands at a time."""
import numpy as np
from aifes.format import FLOAT32, decode, size
from aifes.ops import NAMES

from .ops import room
from .scales import dequantize_values, quantize_values


def simulate(model, x):
    """Real outputs [samples, outputs] of the model (bytes) for real inputs [samples, inputs]."""
    return Simulator(model)(x)


def float32_results(graph, x):
    """Every tensor of a Graph {name: [samples, elements]}, as its float32 model computes it."""
    return graph.results(x.astype(np.float32),
                         lambda layer, *values: room(layer).float32_result(layer, *values))


class Simulator:
    """A prepared model; `plan`: the decoded buffer (aifes.format.Plan).

    Several inputs or outputs lie side by side in one array. Of a float32 model all that is called
    int8 below is float32.
    """

    def __init__(self, model):
        self._buf = np.frombuffer(model, np.uint8)
        self.plan = decode(memoryview(model))
        tensors, n = self.plan.tensors, self.plan.n_inputs
        self.inputs, self.outputs = tensors[:n], tensors[n:n + self.plan.n_outputs]
        self.is_float = tensors[0].dtype == FLOAT32
        kind = "float32" if self.is_float else "int8"
        self._steps = [getattr(room(NAMES[op.opcode]), kind)(self._buf, op, tensors)
                       for op in self.plan.ops]

    def scale(self, tensor):
        """(shift, zero point) of a Tensor, ints or arrays with one item an element."""
        if not tensor.scales:
            return tensor.shift, tensor.zero_point
        n = size(tensor.shape)
        table = self._buf[tensor.scales:tensor.scales + 3 * n].tobytes()
        return np.frombuffer(table[:n], np.int8).astype(int), np.frombuffer(table[n:], "<i2") * 1

    def quantized(self, x):
        """int8 [samples, inputs] of real inputs; of a float32 model float32, finite."""
        if self.is_float:
            return np.nan_to_num(np.asarray(x, np.float32))
        parts = [quantize_values(v, *self.scale(t))
                 for v, t in zip(self._split(np.asarray(x), self.inputs), self.inputs)]
        return np.concatenate(parts, 1)

    def real(self, q):
        """Real outputs [samples, outputs] of int8."""
        if self.is_float:
            return q.astype(np.float64)
        parts = [dequantize_values(v, *self.scale(t))
                 for v, t in zip(self._split(q, self.outputs), self.outputs)]
        return np.concatenate(parts, 1)

    def __call__(self, x):
        return self.real(self.run(self.quantized(x)))

    def run(self, q):
        """int8 [samples, outputs] for int8 [samples, inputs]."""
        found = self.values(q)
        n = self.plan.n_inputs
        return np.concatenate([found[n + k] for k in range(len(self.outputs))], 1)

    def values(self, q):
        """Every tensor {number: int8 [samples, elements]} for int8 [samples, inputs]."""
        found = dict(enumerate(self._split(np.asarray(q), self.inputs)))
        for i, op in enumerate(self.plan.ops):
            found[op.outputs[0]] = self.step(i, *[found[k] for k in op.inputs])
        return found

    def step(self, i, *q):
        """The int8 result of op i for its int8 inputs [samples, elements]."""
        with np.errstate(over="ignore", invalid="ignore"):  # float32, as on the board
            return self._steps[i](*q)

    def _split(self, x, tensors):
        ends = np.cumsum([size(t.shape) for t in tensors])
        return np.split(x, ends[:-1], axis=1)
