"""What is seldom needed: save() a model, load() the previous one, say why something is refused.

A model is written to the flash as `aifes deploy` does it: PATH.new is written and read back, PATH
becomes PATH.old, PATH.new becomes PATH. Whenever the power fails, PATH or PATH.old is whole.
"""
import errno
import gc
import os
from binascii import crc32

from .model import ModelError, flat, size


def previous(path, error):
    """(buffer, plan) of PATH.old; raises `error`, what was wrong with PATH, if it does not load."""
    from .model import read  # which has loaded this file

    buf, plan = read(path + ".old")
    if not plan:
        if isinstance(error, OSError):
            code = error.args[0]
            error = OSError(code, f"no model {path} here: `aifes deploy` brings it; is it in "
                            "another folder?" if code == errno.ENOENT else
                            f"{path} cannot be read: copy it again")
        raise error
    print(f"aifes: {path} does not load ({error}): the previous model runs")
    return buf, plan


def pieces(path):
    """(buffer, plan) of a file of pieces; or the error and None."""
    gc.collect()
    try:
        from .pieces import opened
    except ImportError:
        raise ModelError("a model in pieces, the part of aifes for it lacks: `aifes deploy` it")
    try:
        return opened(path, open(path, "rb"))
    except ModelError as error:
        return error, None


def save(model, path):
    """PATH.new is written and read back, PATH becomes PATH.old, PATH.new becomes PATH.

    load(PATH) takes PATH.old if PATH is not there or not whole. No failure leaves PATH.new.
    """
    if not isinstance(path, str) or not path:
        raise ModelError("save() takes the path of a file, such as 'net.aifes'")
    if model._plan.pieces:
        raise ModelError("a model in pieces is never whole in memory: copy its file instead")
    buf = model._buf[:model._plan.length]
    new, old = path + ".new", path + ".old"
    try:
        with open(new, "wb") as f:
            f.write(buf)
        if _crc(new) != crc32(buf) & 0xFFFFFFFF:
            raise ModelError(f"{new} is not what was written: free some flash, or it is worn out")
        if _exists(path):
            if _exists(old):
                os.remove(old)
            os.rename(path, old)
        os.rename(new, path)
    finally:
        if _exists(new):  # it would keep the flash full
            os.remove(new)


def _exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def _crc(path):
    crc = 0
    piece = bytearray(256)
    with open(path, "rb") as f:
        n = f.readinto(piece)
        while n:
            crc = crc32(memoryview(piece)[:n], crc)
            n = f.readinto(piece)
    return crc & 0xFFFFFFFF


def no_model(buf):
    """Raise the ModelError for a model that is no buffer."""
    raise ModelError("a model is a path, or flat bytes, bytearray or memoryview, "
                     f"not {type(buf).__name__}")


def no_arena(arena, need):
    """Raise the ModelError for an arena of bytes that is too small or none."""
    try:
        have = len(arena) if len(bytes(flat(arena)[0:1])) < 2 else need
    except TypeError:
        have = need
    if have < need:
        raise ModelError(f"the arena has {have} bytes, this network needs {need}")
    raise ModelError("the arena must be a writable buffer of bytes: array('b') or bytearray")


def no_engine(name, error=None, buf=None):
    """Raise the ModelError for an engine that is not there, or that its file's `error` refuses.

    buf: the model that no engine takes; what is wrong with it is said instead.
    """
    if error:
        raise ModelError(f"the {name} engine is for another board or firmware ({error}): copy the "
                         "right file with `aifes deploy`, or delete it")
    from .format import decode

    try:
        decode(buf)
    except ImportError:  # no ops on this board
        pass
    if name is None:
        raise ModelError("no engine here runs this model: `aifes deploy` brings the right one")
    raise ModelError(f"no engine {name} here for this model: leave it out and the fastest one is "
                     "taken, or bring all with `aifes deploy --all`")


def refuse(xs, ys, plan):
    """Raise the ModelError for a run(x, y) that the engine did not take."""
    sizes = [size(t.shape) for t in plan.tensors]
    n, m = plan.n_inputs, plan.n_outputs
    ends = ()
    for what, given, n_given in (("x", xs, n), ("y", ys, m)):
        if n_given == 1:
            given = (given,)
        elif not isinstance(given, tuple) or len(given) != n_given:
            raise ModelError(f"{what} of run(x, y) is a tuple of {n_given} for this network")
        ends += given
    try:
        lengths, total = [len(v) for v in ends], [len(bytes(flat(v))) for v in ends]
    except TypeError:
        raise ModelError("run(x, y) takes two flat buffers such as array('f') or array('b'); "
                         "predict() takes lists")
    count = lengths[0] // sizes[0]
    if not count or lengths != [count * k for k in sizes]:
        if len(sizes) == 2:
            raise ModelError("x has {} and y {} elements; a sample has {} in and {} out".format(
                *(lengths + sizes)))
        raise ModelError("x and y have {} elements; a sample has {} in and {} out".format(
            lengths, sizes[:n], sizes[n:]))
    if chr(plan.tensors[0].dtype) == "f":
        raise ModelError("run(x, y) of a float32 model takes buffers of float32 (array 'f'), y "
                         "writable")
    for n_bytes, items in zip(total, lengths):
        if n_bytes not in (items, 4 * items):
            raise ModelError(f"items of {n_bytes // items} bytes, give float32 (array 'f') or int8 "
                             "('b')")
    raise ModelError("run(x, y) takes buffers of float32 (array 'f') or int8 ('b'), y writable")
