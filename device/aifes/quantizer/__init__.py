"""Quantize a float32 network on the board, with samples that the board has taken itself.

    quantizer = Quantizer(net)                     # a Sequential of dtype "f", or such a Model
    memory = bytearray(quantizer.parameter_memory_size())
    q7_net = quantizer.run(samples, memory)        # an aifes.Model
    q7_net.save("net.aifes")

method "mse" decides as `aifes quantize` on a PC does, to the last bit; "aifes" is AIfES's own rule.
How an op is quantized is in a file of its name here, imported when a network has it:
    BY_ELEMENT, RANGE           see dense.py; WEIGHTS, if it has any
    stands_for(work, op)        (kind, alpha) of the activation that needs as much of its input
    most(work, i)               bytes that its constants take at most, if any; i: of the float32
                                model's op
    buffer(work, i)             bytes of work.buffers[i], which it may use, if any
    windows(work, i)            items of work.windows that it uses, if any
    keeps(work, op)             whether its result has the scale of its input, if that may be
    passes(work, op)            whether a factor of a channel of its input is one of its result, if
                                that may be
    quantize(work, i)           calls work.put() or work.fuse(); work: a work.Work
"""
import sys

from ..model import Model, ModelError, flat, size
from .data import BINS
from .work import Work

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
        if not isinstance(net, Model) or chr(net._plan.tensors[0].dtype) != "f":
            raise ModelError("quantize() takes a float32 network: Sequential(..., dtype='f') or a "
                             "model made by `aifes convert`")
        self._work = Work(net, method)

    def parameter_memory_size(self):
        """Bytes that the .aifes buffer of the Q7 network takes at most."""
        return self._work.size()

    def heap_size(self):
        """Bytes of heap that run() takes at most besides memory, samples and the code itself."""
        work, plan = self._work, self._work.plan
        widest = max([size(t.shape) for t in plan.tensors])
        outputs = sum([size(plan.tensors[op.outputs[0]].shape) for op in plan.ops])
        held = sum(work.asked("buffer")) + 4 * max(work.asked("windows"))
        return (held + (8 * BINS if work.exact else 0) + plan.arena
                + WORD * (6 * outputs + 24 * widest + 300 * len(plan.ops) + 2000))

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
        return self._work.run(samples, memory, report)

    def parameters(self, align=4):
        """AIfES's parameter buffer (bytes) of what run() found, for method "aifes" only.

        Sequential.load_parameters() takes it, and AIfES in C does. align: of its entries, 1, 2 or
        4. It is as long as parameter_memory_size() of the Q7 Sequential of the same layers.
        """
        work = self._work
        if work.exact:
            raise ModelError("AIfES's parameter buffer can hold only what method 'aifes' finds")
        from ..layers.parameter_buffer import write

        return write(work.scales[0], work.found_dense, align)
