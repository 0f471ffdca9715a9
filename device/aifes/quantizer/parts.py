"""Tensors that no op makes: others lie in them, one after another."""
from ..format import nbytes


def parts(plan):
    """{such a tensor that is read, or an output: those of which it is made} of a whole Plan."""
    found, made, at = {}, set(), {}  # at: {offset: what was written there last}

    def write(k):
        made.add(k)
        at[plan.tensors[k].offset] = k

    def take(k):
        if k in made or k in found:
            return
        t, inner = plan.tensors[k], []
        place = t.offset
        while place < t.offset + nbytes(t):
            inner.append(at[place])
            place += nbytes(plan.tensors[at[place]])
        found[k] = tuple(inner)

    for k in range(plan.n_inputs):
        write(k)
    for op in plan.ops:
        for k in op.inputs:
            take(k)
        for k in op.outputs:
            write(k)
    for k in range(plan.n_inputs, plan.n_inputs + plan.n_outputs):
        take(k)
    return found
