"""The command `aifes`, on the PC: quantize, convert, inspect, simulate, export."""
import re
from pathlib import Path
from typing import Annotated, Literal, Optional

import aifes
import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

from . import aifes_tools, memory_map, writers
from .cli_app import (
    Data,
    Json,
    Model,
    Network,
    Output,
    app,
    command,
    console,
    show,
    track,
    write_outputs,
)
from .finetune import finetune as finetune_graph
from .float32 import float_model
from .graph import ConversionError, check_columns
from .layout import arrange
from .quantizer import quantize as quantize_graph
from .search import search as search_choices
from .simulator import Simulator
from .sources import read_data, read_labels, read_network, read_targets
from .stages import stages


@command
def quantize(
    network: Network,
    data: Data,
    output: Annotated[Optional[Path], typer.Option("-o", help="Default: NAME.aifes")] = None,
    method: Annotated[Literal["mse", "aifes"], typer.Option(
        help="mse: least squared error; aifes: AIfES's own rule and arithmetic.")] = "mse",
    search: Annotated[bool, typer.Option(
        "--search", help="Try other ranges and weight shifts for each layer; as fast on the board, "
                         "takes longer here.")] = False,
    finetune: Annotated[Optional[Path], typer.Option(
        metavar="TARGETS", help="Train on with the rounding in the loop (small MLPs): what the "
                                "outputs should be for each row of --data, or its class.")] = None,
    target: Annotated[Literal["any", "cortex-m0", "cortex-m4"], typer.Option(
        help="Order of the weights that the C engine reads fastest on a chip: cortex-m0 for RP2040 "
             "or SAMD21, cortex-m4 also for M7 and M33 (RP2350, STM32, nRF52). Every engine runs "
             "every order, with the same results.")] = "any",
    targets: Annotated[Optional[Literal["classes", "values"]], typer.Option(
        help="What --finetune's file holds, if it could be both.")] = None,
    name: Annotated[Optional[str], typer.Option(help="Name kept in the file.")] = None,
    test: Annotated[Optional[Path], typer.Option(
        help="Inputs for the final comparison; default: the same data.")] = None,
    labels: Annotated[Optional[Path], typer.Option(
        help="Classes of the test inputs, numbers or names, for the accuracy: .csv, .txt, .npy, "
             ".npz or FILE.py:NAME.")] = None,
    which: Output = None,
    json: Json = False,
):
    """Quantize a float network to one .aifes buffer and say what it lost, and where."""
    graph = read_network(network, name, which)
    calibration = read_data(data)
    x = calibration if test is None else read_data(test)
    wanted = None if labels is None else read_labels(labels, len(x))
    if search and finetune is not None:
        raise ConversionError("give --search or --finetune, not both")
    if search:
        result = search_choices(graph, calibration, method, lambda v: track(json, v, "searching"))
    elif finetune is not None:
        result = finetune_graph(graph, calibration, read_targets(finetune, len(calibration)),
                                method,
                                progress=lambda v: track(json, v, "training"), meant=targets)
    else:
        result = quantize_graph(graph, calibration, method)
    comparison = result.compare(x, wanted)
    losses = {stage.title: stage.loss for stage in stages(result, result.graph.samples(x))}
    output = output or Path(f"{graph.name}.aifes")
    model = arrange(result.model, target)
    writers.write_aifes(model, output)
    show(json, dict(result.as_dict(), comparison=comparison, losses=losses, output=str(output)),
         lambda: _draw(result, comparison, losses, output, model))


def _draw(result, comparison, losses, output, model):
    table = Table(title=f"{result.graph.name}, method {result.method}")
    for title in ("layer", "size", "params", "range", "scale", "zero", "cut", "SNR"):
        name = title == "layer"  # long ones are wrapped, the figures never
        table.add_column(title, justify="left" if name else "right", no_wrap=not name,
                         overflow="fold")
    for r in result.layers:
        one = isinstance(r.shift, int)
        table.add_row(r.name, str(r.elements), str(r.parameters or ""),
                      f"{r.low:.3g} .. {r.high:.3g}",
                      f"2^{-r.shift}" if one else "each",
                      str(r.zero_point) if one else "each",
                      f"{100 * r.saturated:.1f} %", f"{r.snr_db:.1f} dB")
    console.print(table)
    for warning in result.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    _draw_improved(result.improved)
    worst = max(losses, key=losses.get)
    error, *accuracy = str(comparison).splitlines()
    console.print(error)
    console.print(f"most is lost in {worst}: alone in Q7 it costs {losses[worst]:.2g} (RMS) at the "
                  "outputs", markup=False)
    for line in accuracy:
        console.print(line)
    console.print(f"{output}: {len(model)} bytes, arena {Simulator(model).plan.arena} bytes",
                  markup=False)


def _draw_improved(improved):
    if "choices" in improved:
        before, after = improved["error_before"], improved["error_after"]
        if not improved["choices"]:
            console.print("search: nothing better found")
            return
        console.print(f"search: {100 * (1 - after / before):.0f} % less squared error on the half "
                      "of the samples that did not choose")
        for layer, words in improved["choices"].items():
            console.print(f"  {layer}: {words}", markup=False)
    elif improved.get("epoch"):
        console.print(f"fine-tuning: {improved['loss']} {improved['loss_before']:.4g} -> "
                      f"{improved['loss_after']:.4g} on samples held back, epoch "
                      f"{improved['epoch']}")
        if "accuracy_after" in improved:
            console.print(f"accuracy on these: {100 * improved['accuracy_before']:.2f} % -> "
                          f"{100 * improved['accuracy_after']:.2f} %")
    elif improved:
        console.print("fine-tuning: no epoch was better than the network as it is, "
                      f"{improved['loss']} {improved['loss_before']:.4g}, which is kept")


@command
def convert(
    network: Network,
    output: Annotated[Optional[Path], typer.Option("-o", help="Default: NAME.aifes")] = None,
    name: Annotated[Optional[str], typer.Option(help="Name kept in the file.")] = None,
    which: Output = None,
    json: Json = False,
):
    """Write a float network as a float32 model: run it so, or quantize it on the board itself."""
    graph = read_network(network, name, which)
    model = float_model(graph)
    output = output or Path(f"{graph.name}.aifes")
    writers.write_aifes(model, output)
    arena = Simulator(model).plan.arena
    show(json, {"output": str(output), "bytes": len(model), "arena": arena},
         lambda: console.print(f"{output}: {len(model)} bytes of float32, arena {arena} bytes",
                               markup=False))


@command
def inspect(
    model: Model,
    plot: Annotated[Optional[Path], typer.Option(
        help="Draw the memory map into a .png or .svg file.")] = None,
    json: Json = False,
):
    """Show a model's layers, sizes and the memory map of its arena over time."""
    net = aifes.load(model.read_bytes())
    plan = net._plan
    if plot is not None:
        if plot.suffix not in (".png", ".svg"):
            raise ConversionError(f"{plot} must end in .png or .svg")
        memory_map.draw_picture(plan, plot, net.metadata.get("name", model.stem))
    bound = memory_map.lower_bound(plan)

    def draw():
        console.print(str(net), markup=False)
        console.print(f"\narena over time ({plan.arena} bytes; lower bound {bound}):")
        for step, row in memory_map.draw_text(plan):
            console.print(f"  {step:<12}|{row}|", markup=False)
        if plot is not None:
            console.print(f"drawn: {plot}")

    show(json, {
        "metadata": net.metadata, "bytes": net.len, "ram": net.ram, "arena": plan.arena,
        "arena_lower_bound": bound, "input_shape": net.input_shape,
        "output_shape": net.output_shape, "input_scale": net.input_scale,
        "input_zero_point": net.input_zero_point, "output_scale": net.output_scale,
        "output_zero_point": net.output_zero_point,
        "arena_blocks": [vars(b) for b in memory_map.blocks(plan)]}, draw)


@command
def simulate(
    model: Model,
    input: Annotated[Path, typer.Option("--input", "-i", help="Inputs: .npy, .npz or .csv.")],
    output: Annotated[Optional[Path], typer.Option(
        "-o", help="Write the outputs as .npy or .csv.")] = None,
    json: Json = False,
):
    """Run a model on the PC, bit for bit as on the board."""
    simulator = Simulator(model.read_bytes())
    x = read_data(input)
    check_columns(x.shape[1], int(np.prod(simulator.plan.input.shape)))
    y = simulator(x)
    if output is not None:
        write_outputs(y, output)

    def draw():
        table = Table(title=f"{len(y)} samples")
        for j in range(y.shape[1]):
            table.add_column(f"output {j}", justify="right")
        for row in y[:20]:
            table.add_row(*[f"{v:.5g}" for v in row])
        console.print(table)
        if len(y) > 20:
            console.print(f"... {len(y) - 20} more; -o writes them all")

    show(json, {"outputs": y.tolist()}, draw)


@command
def export(
    model: Annotated[str, typer.Argument(
        help="An .aifes file; for aifes-buffer and aifes-c a float network as for quantize.")],
    to: Annotated[Literal["python", "c", "aifes-buffer", "aifes-c"], typer.Option(
        help="python: module for freezing; c: array of the .aifes buffer; aifes-...: AIfES's own "
             "parameter buffer, for its C library.")],
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
        buffer = Path(model).read_bytes()
        aifes.load(buffer)
    else:
        if data is None:
            raise ConversionError(f"--to {to} quantizes by AIfES's rule: give --data too")
        buffer = aifes_tools.graph_flatbuffer_q7(read_network(model, None, which), read_data(data),
                                                 align, byte_order, transposed)
    if to == "aifes-buffer":
        output.write_bytes(buffer)
    else:
        text = writers.python_module(buffer, name) if to == "python" else \
            writers.c_array(buffer, name)
        output.write_text(text, "utf-8")
    show(json, {"output": str(output), "bytes": len(buffer)},
         lambda: console.print(f"{output}: {len(buffer)} bytes of parameters"))


def main():
    from . import cli_board, cli_report  # noqa: F401  their commands come after these in --help

    app()
