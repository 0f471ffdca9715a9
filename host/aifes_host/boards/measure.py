"""Run a deployed model on a board and measure it there: `aifes run`, `aifes bench`."""
import base64
import functools
import struct
import zlib

import numpy as np
from aifes.format import CRC_FROM, HEADER, HEADER_SIZE, TENSOR, TENSOR_SIZE, decode, size
from aifes.ops import NAMES

from ..ops import ROOMS
from ..simulator import Simulator
from .on_board import infer, measure
from .transport import ExecError, understood

BATCH = 1024  # bytes of inputs in one command to the board
LARGE = 4096  # more inputs than these are sent as int8, in parts: a board has no room for floats


def run(board, p, x, advance=lambda n: None):
    """Outputs [samples, outputs], int8 or float32 as the model has them, of a deployed Plan for
    floats [samples, inputs].

    advance(n): n samples more are done.
    """
    simulator = Simulator(p.model)
    outputs = [size(t.shape) for t in simulator.outputs]
    dtype = "<f4" if simulator.is_float else np.int8
    board.reset()
    board.call(infer.open_net, p.path)
    if simulator.n_in > LARGE and not simulator.is_float:
        return _run_large(board, simulator, x, advance)
    x = np.ascontiguousarray(x, "<f4")
    step = max(1, BATCH // (4 * x.shape[1]))
    parts = []
    for i in range(0, len(x), step):
        text = base64.b64encode(x[i:i + step].tobytes())
        answer = board.call(infer.infer, text, timeout=120)
        with understood(board.port):
            y = np.frombuffer(base64.b64decode(answer), dtype).reshape(-1, sum(outputs))
            if len(y) != len(x[i:i + step]):
                raise ValueError
        parts.append(y)
        advance(len(parts[-1]))
    return np.concatenate(parts)


def _run_large(board, simulator, x, advance):
    """The same with inputs that are quantized here."""
    ends = np.cumsum([size(t.shape) for t in simulator.inputs])
    found = []
    for sample in x:
        quantized = simulator.quantized(sample[None])[0]
        if simulator.inputs[0].rows:
            n = size(simulator.inputs[0].shape[1:])
            step = max(1, BATCH // n) * n
            for at in range(0, len(quantized), step):
                board.call(infer.push, n, base64.b64encode(quantized[at:at + step].tobytes()))
        else:
            for k, q in enumerate(np.split(quantized, ends[:-1])):
                for at in range(0, len(q), BATCH):
                    board.call(infer.put, k, at, base64.b64encode(q[at:at + BATCH].tobytes()))
        answer = board.call(infer.forward, timeout=120)
        with understood(board.port):
            y = np.frombuffer(b"".join(map(base64.b64decode, answer)), np.int8)
            if len(y) != simulator.n_out:
                raise ValueError
        found.append(y)
        advance(1)
    return np.stack(found)


def prefixes(model):
    """For each number of ops but all: the head that makes the buffer this shorter model, in hex.

    Its output is the result of the last of them. None for a model whose ops take turns.
    """
    plan = decode(memoryview(model))
    if any(t.rows for t in plan.tensors):
        return []
    head = bytes(model[:struct.unpack_from(HEADER, model)[11]])
    records, at = [], HEADER_SIZE + TENSOR_SIZE * len(plan.tensors)
    for _ in plan.ops:
        records.append(head[at:at + 4 * head[at + 3]])
        at += len(records[-1])
    found = []
    for k in range(1, len(plan.ops)):
        result = plan.ops[k - 1].outputs[0]
        order = [*range(plan.n_inputs), result]
        order += [t for op in plan.ops[:k] for t in op.outputs if t != result]
        order += sorted({t for op in plan.ops[:k] for t in op.inputs}.difference(order))  # wholes
        tensors = b"".join(_without_scales(head, t, t < plan.n_inputs) for t in order)
        ops = b"".join(_renumbered(r, order) for r in records[:k])
        header = list(struct.unpack_from(HEADER, head))
        header[6:12] = len(order), k, plan.n_inputs, 1, 0, HEADER_SIZE + len(tensors) + len(ops)
        buf = bytearray(model)
        shorter = struct.pack(HEADER, *header) + tensors + ops
        buf[:len(shorter)] = shorter
        struct.pack_into("<I", buf, CRC_FROM - 4, zlib.crc32(buf[CRC_FROM:plan.length]))
        found.append(bytes(buf[:len(shorter)]).hex())
    return found


def _without_scales(head, number, keep):
    """The bytes of a tensor; unless kept, with one scale for all elements."""
    fields = list(struct.unpack_from(TENSOR, head, HEADER_SIZE + TENSOR_SIZE * number))
    if not keep:
        fields[5] = 0
    return struct.pack(TENSOR, *fields)


def _renumbered(record, order):
    n = (record[2] & 15) + (record[2] >> 4)
    numbers = struct.unpack_from(f"<{n}H", record, 4)
    return record[:4] + struct.pack(f"<{n}H", *map(order.index, numbers)) + record[4 + 2 * n:]


def _measure(board, path, engine, shorter):
    board.reset()
    found = board.call(measure.measure_net, path, engine, shorter, timeout=300)
    with understood(board.port):
        for us, cycles in (found["run"], found["forward"], found["reading"], *found["layers"]):
            us is None or float(us), cycles is None or int(cycles)
        return {**found, "heap": int(found["heap"]), "allocated": int(found["allocated"])}


def _layers(plan, one, again, tries=3):
    """(name, elements, microseconds, cycles) of each layer: what it adds to those before it.

    Where that is not positive, all is measured again and the shortest of all times are taken;
    None if this does not help.
    """
    best = one["layers"] + [one["forward"]]
    for _ in range(tries):
        added = [[_added(a, b) for a, b in zip(before, now)]
                 for before, now in zip([(0, 0)] + best, best)]
        lost = any(us is None or (cycles is None) != (now[1] is None)
                   for (us, cycles), now in zip(added, best))
        if not lost:
            break
        one = again()
        best = [[_shorter(a, b) for a, b in zip(old, new)]
                for old, new in zip(best, one["layers"] + [one["forward"]])]
    return [(NAMES[op.opcode], _elements(plan, op), *times) for op, times in zip(plan.ops, added)]


def _shorter(a, b):
    """The smaller of two, of which each may be None."""
    return b if a is None else a if b is None else min(a, b)


def _elements(plan, op):
    return size(plan.tensors[op.outputs[0]].shape)


def _added(before, now):
    """The part of `now` that was not there before; None if it is none, or was not measured."""
    if before is None or now is None or now <= before:
        return None
    return now - before


def _matrices(plan):
    """Inputs of the first and outputs of all layers whose weights are a matrix, as the plain Python
    network has them; none if there are others, or branches."""
    found = []
    for op in plan.ops:
        n, m = (size(plan.tensors[k].shape) for k in (op.inputs[0], op.outputs[0]))
        products = ROOMS[NAMES[op.opcode]].products(op, plan.tensors)
        if len(op.inputs) > 1 or products not in (0, n * m):
            return []
        if products:
            found += [m] if found else [n, m]
    return found


def bench(board, p, models):
    """What on_board/measure.py finds: {engine: its figures}, "float": the plain Python network.

    models: {engine: path of the model on the board, in the order of weights that suits it}.
    layers: (name, elements, microseconds, cycles) each; the first includes the call. None in place
    of figures: not to be measured; in place of an engine: there is no room for it. reading: of
    the pieces, where the model is in pieces; it then has no layers.
    """
    plan = decode(memoryview(p.model))
    found = {}
    for engine, (path, model) in models.items():
        shorter = prefixes(model) if engine == p.choice.engine and not p.cut else []
        try:
            one = _measure(board, path, engine, shorter)
        except ExecError:
            if engine == p.choice.engine:
                raise
            found[engine] = None  # no room for this engine
            continue
        if shorter or len(plan.ops) == 1 and not p.cut:
            one["layers"] = _layers(plan, one, functools.partial(
                _measure, board, path, engine, shorter))
        found[engine] = one
    layers = _matrices(plan)
    if not layers or p.cut:  # in pieces: floats have less room than the int8 that has none
        return found
    board.reset()
    try:
        found["float"] = board.call(measure.measure_float, layers, timeout=300)
    except ExecError:  # no room even to start
        found["float"] = None
    return found
