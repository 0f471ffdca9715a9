"""What one inference costs on a chip, estimated from the model alone.

The instructions are a sum: so many for each multiplication, each output of a dense layer, each
element of another op, and for the call. The prices were fitted to the counts of 37 networks, of
3 to 784 inputs, on emulated chips, those of convolutions and pooling to 69 more;
tests/test_report.py checks that they still hold.
"""
from dataclasses import dataclass

from aifes.ops import NAMES

from .boards.deploy import HEAP, OP_HEAP
from .boards.runtime import NATIVE, Kind
from .layout import arrange
from .ops import ROOMS
from .simulator import Simulator

TOLERANCE = 0.15  # how far an estimate may be from the count


@dataclass
class Chip:
    """product: instructions for one multiplication; product_rows: in layers narrower than the
    block of outputs that the target interleaves; output: of a dense layer; probability: of a
    softmax; added, looked_up: for an element of an add or map, start: for such an op besides;
    window: of a convolution, and then a row, an element that are gathered; depthwise: a pixel of
    its window for 32 channels, an output, a product; pooling: a window, and for each of its
    channels a result, an element, a mean; end: of each input and output beyond one; call: for all
    that is around."""

    name: str
    board: str
    mhz: int
    target: str  # order of the weights, of layout.TARGETS
    arch: str  # the folder of its C engine
    product: float
    product_rows: float
    output: float
    probability: float
    added: float
    looked_up: float
    start: float
    window: tuple
    depthwise: tuple
    pooling: tuple
    end: float
    call: float


CHIPS = (
    Chip("Cortex-M0+", "Raspberry Pi Pico", 125, "cortex-m0", "armv6m",
         3.2, 9.4, 40.9, 126, 28, 11, 50,
         (307, 146, 1.7), (64, 38, 9.3), (243, 26, 11.7, 98), 210, 190),
    Chip("Cortex-M4", "nRF52840", 64, "cortex-m4", "armv7emsp",
         1.3, 4.9, 30.3, 29.6, 18, 7, 35,
         (268, 59, 7.1), (46, 29, 6.4), (195, 18, 9, 22), 150, 215),
    Chip("RV32IMC", "ESP32-C3", 160, "any", "rv32imc",
         3.7, 3.7, 32.2, 42.4, 28, 8, 28,
         (262, 53, 6.4), (46, 30, 8.1), (242, 12, 10.7, 20), 250, 290),
)


@dataclass
class Cost:
    """What a model costs on a Chip. Sizes in bytes; heap: what `aifes deploy` asks for.

    ops: instructions of each op; instructions: theirs and those of the call.
    """

    chip: Chip
    model: int  # as `aifes deploy` orders it for this chip
    instructions: int
    microseconds: int  # at one instruction a cycle: a lower bound
    flash: int  # the model and the C engine
    arena: int
    heap: int
    ops: list


def multiplications(plan):
    """Products of weight and input in one inference of a Plan."""
    return sum(ROOMS[NAMES[op.opcode]].products(op, plan.tensors) for op in plan.ops)


def estimate(model, chip):
    """The Cost of an .aifes buffer on a Chip."""
    model = arrange(model, chip.target)
    simulator = Simulator(model)
    plan = simulator.plan
    ops = [ROOMS[NAMES[op.opcode]].instructions(op, plan.tensors, chip) for op in plan.ops]
    count = chip.call + chip.end * (plan.n_inputs + plan.n_outputs - 2) + sum(ops)
    family = Kind.of(simulator).family()
    engine = (NATIVE / f"{chip.arch}_6.3" / family).stat().st_size if family else 0
    heap = len(model) + plan.arena + HEAP["native"] + OP_HEAP * len(plan.ops)
    return Cost(chip, len(model), round(count), round(count / chip.mhz), len(model) + engine,
                plan.arena, heap, [round(n) for n in ops])
