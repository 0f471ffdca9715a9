"""Time, cycles and heap of a deployed model, measured on the board."""
import gc
import sys
import time
from array import array
from binascii import unhexlify


def microseconds():
    if hasattr(time, "ticks_us"):
        return time.ticks_us()
    return time.monotonic_ns() // 1000


def elapsed(start):
    if hasattr(time, "ticks_diff"):
        return time.ticks_diff(time.ticks_us(), start)
    return microseconds() - start


def find_counter():
    """The chip's cycle counter: how to read it and its largest value; (None, 0) if there is none.

    RP2040: SysTick counts down 24 bits. Cortex-M3 and larger: DWT.CYCCNT. ESP32: CCOUNT.
    """
    kind = getattr(sys.implementation, "_mpy", 0) >> 10 & 15  # 4: armv6m, 5..8: larger ones
    if sys.platform in ("esp32", "esp8266"):
        return time.ticks_cpu, (1 << 30) - 1
    if not 4 <= kind <= 8:
        return None, 0
    try:
        from machine import mem32
    except ImportError:
        return None, 0
    if sys.platform == "rp2" and kind == 4:
        mem32[0xE000E014], mem32[0xE000E018], mem32[0xE000E010] = 0xFFFFFF, 0, 5
        return lambda: -mem32[0xE000E018], 0xFFFFFF
    if kind > 4:
        mem32[0xE000EDFC] |= 1 << 24  # DEMCR.TRCENA
        mem32[0xE0001000] |= 1  # DWT_CTRL.CYCCNTENA
        return lambda: mem32[0xE0001004], (1 << 30) - 1
    return None, 0


def interrupts_off(off, state=None):
    try:
        import machine

        return machine.disable_irq() if off else machine.enable_irq(state)
    except (ImportError, AttributeError):
        return None


def nothing(x=None, y=None):
    pass


def measure(function, *arguments):
    """(microseconds, cycles) of one call, without those of an empty call; None for what is no
    longer than that, or was not counted."""
    gc.collect()
    start = microseconds()
    function(*arguments)
    once = elapsed(start)
    n = max(1, min(50, 20000 // max(once, 1)))
    spent = []
    for f in (function, nothing):
        start = microseconds()
        for _ in range(n):
            f(*arguments)
        spent.append(elapsed(start) / n)
    us = spent[0] - spent[1] if spent[0] > spent[1] else None
    read, mask = find_counter()
    if read is None or once > 50000:
        return us, None
    counts = []
    for f in (function, nothing):
        best = None
        for _ in range(3):
            state = interrupts_off(True)
            start = read()
            f(*arguments)
            end = read()
            interrupts_off(False, state)
            cycles = (end - start) & mask
            best = cycles if best is None or cycles < best else best
        counts.append(best)
    return us, counts[0] - counts[1] if counts[0] > counts[1] else None


def measure_net(path, engine, prefixes):
    """Times of a model: forward(), run() with floats, and forward() of its first 1, 2, .. layers.

    prefixes: for each the header that makes the buffer this shorter model, in hex. buffers: what
    run() was called with; reading: time to read all pieces of a model in pieces.
    """
    gc.collect()
    before = gc.mem_alloc()
    import aifes

    net = aifes.load(path, engine=engine)
    gc.collect()
    found = {"engine": net.engine, "heap": gc.mem_alloc() - before, "len": net.len, "ram": net.ram}
    plan = net._plan
    try:
        ends = []
        for t in plan.tensors[:plan.n_inputs + plan.n_outputs]:
            n = 4
            for d in t.shape:
                n *= d
            ends.append(array("f", bytes(n)))
        found["buffers"] = "floats"
    except MemoryError:
        ends = net.inputs + net.outputs
        found["buffers"] = "int8 in the arena"
    x, y = tuple(ends[:plan.n_inputs]), tuple(ends[plan.n_inputs:])
    x, y = x if len(x) > 1 else x[0], y if len(y) > 1 else y[0]
    found["run"] = measure(net.run, x, y)
    found["forward"] = measure(net.forward) if net.input else found["run"]
    gc.collect()
    before = gc.mem_alloc()
    net.run(x, y)
    found["allocated"] = gc.mem_alloc() - before
    found["reading"] = measure(plan.pieces.read_all) if plan.pieces else (None, None)
    found["layers"] = []
    if not prefixes:
        return found
    del net
    gc.collect()
    with open(path, "rb") as f:
        model = bytearray(f.read())
    for header in prefixes:
        model[:len(header) // 2] = unhexlify(header)
        found["layers"].append(measure(aifes.load(model, engine=engine).forward))
    return found


def measure_float(sizes):
    """The same network as plain Python computes it, lists of float weights; None: no room for it.

    sizes: elements of the input and of each dense layer.
    """
    gc.collect()
    try:
        layers = [[[0.01 * (i + j) for i in range(n)] for j in range(m)]
                  for n, m in zip(sizes, sizes[1:])]
    except MemoryError:
        return None

    def forward(x):
        for rows in layers:
            y = []
            for row in rows:
                total = 0.1
                for i in range(len(x)):
                    total += x[i] * row[i]
                y.append(total if total > 0.0 else 0.0)
            x = y
        return x

    return measure(forward, [0.5] * sizes[0])
