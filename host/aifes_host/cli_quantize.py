"""The command `aifes quantize`; its options and what they do, which `aifes report` shares."""
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Optional

import numpy as np
import typer

from . import writers
from .cli_app import (
    Data,
    Json,
    Network,
    Output,
    command,
    console,
    default_output,
    print_table,
    say,
    show,
    track,
)
from .finetune import finetune as finetune_graph
from .graph import ConversionError
from .layout import arrange, by_rows
from .quantizer import Quantized
from .quantizer import quantize as quantize_graph
from .search import search as search_choices
from .simulator import Simulator
from .sources import read_data, read_labels, read_network, read_targets
from .stages import stages

Method = Annotated[Literal["mse", "aifes"], typer.Option(
    help="mse: least squared error; aifes: AIfES's own rule and arithmetic.")]
Search = Annotated[bool, typer.Option(
    "--search", help="Try other ranges and weight shifts for each layer; as fast on the board, "
                     "takes longer here.")]
Finetune = Annotated[Optional[Path], typer.Option(
    metavar="TARGETS", help="Train on with the rounding in the loop (small MLPs): what the outputs "
                            "should be for each row of --data, or its class.")]
Targets = Annotated[Optional[Literal["classes", "values"]], typer.Option(
    help="What --finetune's file holds, if it could be both.")]
Target = Annotated[Literal["any", "cortex-m0", "cortex-m4", "esp32"], typer.Option(
    help="Order of the weights that the C engine reads fastest on a chip: cortex-m0 for RP2040 or "
         "SAMD21, cortex-m4 also for M7 and M33 (RP2350, STM32, nRF52), esp32 also for -S2 and "
         "-S3. Every engine runs every order, with the same results.")]
Push = Annotated[Optional[Literal["rows", "endless"]], typer.Option(
    help="The input comes row by row, from push() or the buffer of run(): no memory for all of it. "
         "rows: as many as the network has; endless: over time, with a result for each new one.")]
Test = Annotated[Optional[Path], typer.Option(
    help="Inputs for the final comparison; default: the same data.")]
Labels = Annotated[Optional[Path], typer.Option(
    help="Classes of the test inputs, numbers or names, for the accuracy: .csv, .txt, .npy, .npz "
         "or FILE.py:NAME.")]
Name = Annotated[Optional[str], typer.Option(help="Name kept in the file; default: the file's.")]


@dataclass
class Job:
    """What was asked for and came out: model: the bytes to deploy; x: what to compare on."""

    result: Quantized
    model: bytes
    x: np.ndarray
    labels: Optional[np.ndarray]
    tested: bool  # x are other samples than those that decided


def run(network, which, data, name, method, search, finetune, targets, target, push, test, labels,
        json):
    """Quantize as the options say: a Job."""
    if search and finetune is not None:
        raise ConversionError("give --search or --finetune, not both")
    graph = read_network(network, name, which or None)
    calibration = read_data(data)
    x = calibration if test is None else read_data(test)
    wanted = None if labels is None else read_labels(labels, len(x))
    if search:
        result = search_choices(graph, calibration, method, lambda v: track(json, v, "searching"))
    elif finetune is not None:
        result = finetune_graph(graph, calibration, read_targets(finetune, len(calibration)),
                                method, progress=lambda v: track(json, v, "training"),
                                meant=targets)
    else:
        result = quantize_graph(graph, calibration, method)
    if push:
        result.model = by_rows(result.model, push)
    return Job(result, arrange(result.model, target), x, wanted, test is not None)


@command
def quantize(
    network: Network,
    data: Data,
    output: Annotated[Optional[Path], typer.Option("-o", help="Default: NAME.aifes")] = None,
    method: Method = "mse",
    search: Search = False,
    finetune: Finetune = None,
    targets: Targets = None,
    target: Target = "any",
    push: Push = None,
    name: Name = None,
    test: Test = None,
    labels: Labels = None,
    which: Output = None,
    json: Json = False,
):
    """Quantize a float network to int8 (AIfES's Q7), and say what it lost, and where."""
    job = run(network, which, data, name, method, search, finetune, targets, target, push, test,
              labels, json)
    result = job.result
    comparison = result.compare(job.x, job.labels)
    losses = {stage.title: stage.loss for stage in stages(result, result.graph.samples(job.x))}
    output = output or default_output(result.graph.name, ".aifes")
    writers.write_aifes(job.model, output)
    show(json, dict(result.as_dict(), comparison=comparison, losses=losses, output=str(output)),
         lambda: _draw(result, comparison, losses, output, job.model))


def _draw(result, comparison, losses, output, model):
    say(f"{result.graph.name}: int8 by method {result.method}")
    rows = []
    for r in result.layers:
        one = isinstance(r.shift, int)
        rows.append((r.name, r.elements, r.parameters or "", f"{r.low:.3g} .. {r.high:.3g}",
                     f"2^{-r.shift}" if one else "each", r.zero_point if one else "each",
                     f"{100 * r.saturated:.1f} %", f"{r.snr_db:.1f} dB"))
    print_table(("layer", "size", "params", "range", "scale", "zero", "cut", "SNR"), rows)
    say("Q7, AIfES's int8: a value is (q - zero) * scale, q from -128 to 127.\n"
        "cut: values beyond that; SNR: signal to noise, 6 dB more is one bit more.\n")
    for warning in result.warnings:
        console.print("[yellow]warning:[/] ", end="")
        say(warning)
    _draw_improved(result.improved)
    worst = max(losses, key=losses.get)
    error, *accuracy = str(comparison).splitlines()
    say(error)
    say(f"most is lost in {worst}: alone in Q7 it costs {losses[worst]:.2g} (RMS) at the outputs")
    for line in accuracy:
        say(line)
    say(f"{output}: {len(model)} bytes, arena {Simulator(model).plan.arena} bytes")


def _draw_improved(improved):
    if "choices" in improved:
        before, after = improved["error_before"], improved["error_after"]
        if not improved["choices"]:
            say("search: nothing better found")
            return
        say(f"search: {100 * (1 - after / before):.0f} % less squared error on the half "
                      "of the samples that did not choose")
        for layer, words in improved["choices"].items():
            say(f"  {layer}: {words}")
    elif improved.get("epoch"):
        say(f"fine-tuning: {improved['loss']} {improved['loss_before']:.4g} -> "
            f"{improved['loss_after']:.4g} on samples held back, epoch {improved['epoch']}")
        if "accuracy_after" in improved:
            say(f"accuracy on these: {100 * improved['accuracy_before']:.2f} % -> "
                f"{100 * improved['accuracy_after']:.2f} %")
    elif improved:
        say("fine-tuning: no epoch was better than the network as it is, "
            f"{improved['loss']} {improved['loss_before']:.4g}, which is kept")
