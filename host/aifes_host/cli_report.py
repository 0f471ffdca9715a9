"""The command `aifes report`: what quantization did to a network, as one HTML file."""
from pathlib import Path
from typing import Annotated, Optional

import typer

from . import cli_quantize as options
from .cli_app import Json, Output, command, default_output, say, show
from .graph import ConversionError
from .report import write_report
from .report_model import describe
from .sources import read_data, read_labels


@command
def report(
    network: Annotated[str, typer.Argument(
        help="A float network as for quantize, or an .aifes file: what can be said of it alone.")],
    data: Annotated[Optional[Path], typer.Option(
        help="Representative inputs, as for quantize; an .aifes file needs none.")] = None,
    labels: options.Labels = None,
    output: Annotated[Optional[Path], typer.Option("-o", help="Default: NAME.html")] = None,
    method: options.Method = "mse",
    search: options.Search = False,
    finetune: options.Finetune = None,
    targets: options.Targets = None,
    target: options.Target = "any",
    test: options.Test = None,
    name: Annotated[Optional[str], typer.Option(help="Name in the report.")] = None,
    which: Output = None,
    json: Json = False,
):
    """Write a report as HTML: fit for use or not, errors by layer, memory, cost on boards."""
    if Path(network).suffix == ".aifes":
        if search or finetune is not None or target != "any" or method != "mse":
            raise ConversionError(f"{network} is quantized already: give the float network for "
                                  "--search, --finetune, --target and --method")
        source = test or data
        x = None if source is None else read_data(source)
        output = output or Path(network).with_suffix(".html")
        wanted = None if labels is None else read_labels(labels, None if x is None else len(x))
        facts = describe(Path(network).read_bytes(), output, x, wanted, name)
    else:
        if data is None:
            raise ConversionError("give --data, representative inputs: a float network is "
                                  "quantized with them")
        job = options.run(network, which, data, name, method, search, finetune, targets, target,
                          None, test, labels, json)
        output = output or default_output(job.result.graph.name, ".html")
        facts = write_report(job.result, job.x, output, job.labels, job.model, job.tested)
    show(json, dict(facts, output=str(output)), lambda: say(f"{output}: open it in a browser"))
