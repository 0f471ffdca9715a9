"""The command `aifes`, on the PC: quantize, convert, inspect, simulate, export."""
import re
from pathlib import Path
from typing import Annotated, Literal, Optional

import aifes
import typer
from aifes.format import FLOAT32, decode

from . import aifes_tools, cli_outputs, memory_map, writers
from .cli_app import (
    Json,
    Model,
    Network,
    Output,
    app,
    command,
    default_output,
    print_table,
    regular,
    say,
    show,
    write_outputs,
)
from .cli_quantize import Name, quantize  # noqa: F401  the first command of --help
from .float32 import float_model
from .graph import ConversionError
from .layout import TARGETS, arrange
from .per_op import per_op, table
from .simulator import Simulator
from .sources import board_rows, read_data, read_network


@command
def convert(
    network: Network,
    output: Annotated[Optional[Path], typer.Option("-o", help="Default: NAME.aifes")] = None,
    name: Name = None,
    which: Output = None,
    json: Json = False,
):
    """Write a float network as a float32 model: run it so, or quantize it on the board itself."""
    graph = read_network(network, name, which or None)
    model = float_model(graph)
    output = output or default_output(graph.name, ".aifes")
    writers.write_aifes(model, output)
    arena = Simulator(model).plan.arena
    show(json, {"output": str(output), "bytes": len(model), "arena": arena},
         lambda: say(f"{output}: {len(model)} bytes of float32, arena {arena} bytes"))


@command
def inspect(
    model: Model,
    plot: Annotated[Optional[Path], typer.Option(
        help="Draw the memory map into a .png or .svg file.")] = None,
    json: Json = False,
):
    """Show a model's layers and ops, sizes and the memory map of its arena over time."""
    buffer = model.read_bytes()
    net = aifes.load(buffer)
    plan = decode(buffer)
    if plot is not None:
        if plot.suffix not in (".png", ".svg"):
            raise ConversionError(f"{plot} must end in .png or .svg")
        memory_map.draw_picture(plan, plot, net.metadata.get("name", model.stem))
    bound = memory_map.lower_bound(plan)
    facts = per_op(buffer)
    orders = {target: len(arrange(buffer, target)) for target in TARGETS}

    def draw():
        say(str(net))
        say("RAM and engine are those of this PC: print(net) on a board says its own.")
        if len(set(orders.values())) > 1:
            say("`aifes deploy` orders the weights for the chip, with other padding: "
                + ", ".join(f"{n} bytes for {t}" for t, n in orders.items() if t != "any"))
        say("\nops; instructions of the engine in C are estimates:")
        print_table(*table(facts), texts=(0, 1, 2))
        say(f"\narena over time ({plan.arena} bytes; lower bound {bound}):")
        steps = memory_map.draw_text(plan)
        longest = max(len(step) for step, _ in steps)
        for step, row in steps:
            say(f"  {step:<{longest}} |{row}|")
        if memory_map.in_turns(plan):
            say("Ops with turns make a row at a time; drawn is the middle one of each. There are")
            for j, b in enumerate(memory_map.blocks(plan)):
                if b.rows:
                    say(f"  {b.rows} of {b.all_rows} rows of {memory_map.letter(j)}, {b.name}")
        if plot is not None:
            say(f"drawn: {plot}")

    show(json, {
        "metadata": net.metadata, "bytes": net.len, "bytes_by_target": orders, "ram": net.ram,
        "arena": plan.arena, "dtype": "float32" if plan.tensors[0].dtype == FLOAT32 else "int8",
        "arena_lower_bound": bound, "input_shape": net.input_shape,
        "output_shape": net.output_shape, "input_by_rows": bool(plan.tensors[0].rows),
        "input_endless": bool(plan.tensors[0].endless), "input_scale": net.input_scale,
        "input_zero_point": net.input_zero_point, "output_scale": net.output_scale,
        "output_zero_point": net.output_zero_point,
        "arena_blocks": [vars(b) for b in memory_map.blocks(plan)],
        "ops": [vars(f) for f in facts]}, draw)


@command
def simulate(
    model: Model,
    input: Annotated[Path, typer.Option("--input", "-i", help="Inputs: .npy, .npz or .csv.")],
    output: Annotated[Optional[Path], typer.Option(
        "-o", help="Write the outputs as .npy or .csv.")] = None,
    labels: Annotated[Optional[Path], typer.Option(
        help="Classes of the inputs, for the accuracy.")] = None,
    json: Json = False,
):
    """Run a model on the PC, bit for bit as on the board."""
    buffer = model.read_bytes()
    simulator = Simulator(buffer)
    x = board_rows(read_data(input), simulator.inputs)
    y = simulator(x)
    found = cli_outputs.describe(buffer, simulator.plan, y, labels)
    if output is not None:
        write_outputs(y, output)
    show(json, found, lambda: cli_outputs.draw(found))


@command
def export(
    model: Annotated[str, typer.Argument(
        help="An .aifes file; for aifes-buffer and aifes-c a float network as for quantize.")],
    to: Annotated[Literal["python", "c", "aifes-buffer", "aifes-c"], typer.Option(
        help="python: module for freezing; c: array of the .aifes buffer; aifes-...: AIfES's own "
             "parameter buffer, for its C library: aifes-buffer its bytes, aifes-c a C array of "
             "uint32_t (uint16_t, uint8_t with --align 2, 1) and its size.")],
    output: Annotated[Path, typer.Option("-o", help="The file to write.")],
    data: Annotated[Optional[Path], typer.Option(
        help="Representative inputs, for aifes-...")] = None,
    align: Annotated[int, typer.Option(help="Alignment of aifes-...: 1, 2 or 4.")] = 4,
    byte_order: Annotated[Literal["little", "big"], typer.Option(help="Of aifes-...")] = "little",
    transposed: Annotated[bool, typer.Option(
        help="aifes-...: weights for AIfES's DENSE_WT layers.")] = False,
    which: Output = None,
    json: Json = False,
):
    """Write a model as Python module or C array, or as AIfES's parameter buffer."""
    name = re.sub(r"\W|^(?=\d)", "_", output.stem)
    if to in ("python", "c"):
        buffer = regular(Path(model)).read_bytes()
        aifes.load(buffer)
    else:
        if data is None:
            raise ConversionError(f"--to {to} quantizes by AIfES's rule: give --data too")
        graph = read_network(model, None, which or None)
        buffer = aifes_tools.graph_flatbuffer_q7(graph, read_data(data), align, byte_order,
                                                 transposed)
    if to == "aifes-buffer":
        output.write_bytes(buffer)
    elif to == "python":
        output.write_text(writers.python_module(buffer, name), "utf-8")
    elif to == "c":
        output.write_text(writers.c_array(buffer, name), "utf-8")
    else:
        output.write_text(writers.aifes_c_array(buffer, name, align, byte_order), "utf-8")
    show(json, {"output": str(output), "bytes": len(buffer)},
         lambda: say(f"{output}: {len(buffer)} bytes of parameters"))


def main():
    from . import cli_board, cli_report  # noqa: F401  their commands come after these in --help

    app()
