"""What was wrong with x or y, when no engine took them: loaded then only."""
from .format import FLOAT32, ModelError, size


def refuse(x, y, plan):
    """Raise the ModelError for a run(x, y) that the engine did not take."""
    n, m = size(plan.input.shape), size(plan.output.shape)
    try:
        n_x, n_y = len(x), len(y)
        x_bytes, y_bytes = len(bytes(memoryview(x))), len(bytes(memoryview(y)))
    except TypeError:
        raise ModelError("run(x, y) takes two buffers such as array('f') or array('b'); "
                         "predict() takes lists")
    count = n_x // n
    if not count or count * n != n_x or count * m != n_y:
        raise ModelError(f"x has {n_x} and y {n_y} elements; a sample has {n} in and {m} out")
    if plan.input.dtype == FLOAT32:
        raise ModelError("run(x, y) of a float32 model takes buffers of float32 (array 'f'), y "
                         "writable")
    for total, items in ((x_bytes, n_x), (y_bytes, n_y)):
        if total not in (items, 4 * items):
            raise ModelError(f"items of {total // items} bytes, give float32 (array 'f') or int8 "
                             "('b')")
    raise ModelError("run(x, y) takes buffers of float32 (array 'f') or int8 ('b'), y writable")
