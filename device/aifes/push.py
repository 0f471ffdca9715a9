"""Models whose input comes row by row: Model.push() and Model.reset().

Imported for such a model only.
"""
from .model import Model, ModelError, size

MIDDLE = 1 << 29  # native_module/rows.h
RESULT = 1 << 28
PUSH = 1 << 27


class Pushed:
    """What a Model with such an input has besides."""

    def __init__(self, model):
        t = model._plan.tensors[0]
        self._model = model
        self._rows = 0 if t.endless else t.shape[0]
        self._n = size(t.shape) // t.shape[0]
        self._at = self._seen = 0

    def push(self, row, y=None):
        """Take the next row of the input, and compute what it makes possible.

        row: one row of the input's shape [rows, columns, channels], flat, as run() takes them. y: a
        buffer for the outputs, written when there is a result, which is in `output` too. Returns
        whether there is one: of an image after its last row, when the next row begins another; of
        an input without end after each row that completes a window. Allocates nothing.
        Raises ModelError if row or y is wrong.
        """
        net = self._model._net
        at = net(row, None, self._at | PUSH)
        while at & MIDDLE and at > 0:
            at = net(row, None, at | PUSH)
        if at < 0:
            raise ModelError(f"push() takes a row of {self._n} numbers, float32 or int8")
        self._at = RESULT
        if self._rows:
            self._seen += 1
            if self._seen == self._rows:
                self.reset()
        if not at:
            return False
        if y is not None and net(None, y, PUSH) < 0:
            plan = self._model._plan
            n = size(plan.tensors[plan.n_inputs].shape)
            raise ModelError(f"push() writes {n} outputs into y: float32 (array 'f') or int8 ('b')")
        return True

    def reset(self):
        """The next row pushed is the first one of all."""
        self._at = self._seen = 0

    def swap(self, other):
        """Model.swap(); both begin anew. Other rows are other inputs."""
        mine, theirs = self._model._plan.tensors[0], other._plan.tensors[0]
        if mine.shape != theirs.shape or mine.endless != theirs.endless:
            raise ModelError("swap() takes a model with the same input by rows")
        Model.swap(self._model, other)
        self.reset()
        other.reset()

    def forward(self):
        raise ModelError("the input of this model comes row by row: use run() or push()")


def attach(model):
    """What a Model with such an input has, and that there is no `input`."""
    pushed = Pushed(model)
    model.push, model.reset = pushed.push, pushed.reset
    model.forward, model.swap = pushed.forward, pushed.swap
    model.input = None
