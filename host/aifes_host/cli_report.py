"""The command `aifes report`: what quantization did to a network, as one HTML file."""
from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from .cli_app import Data, Json, Network, Output, command, console, show
from .quantizer import quantize
from .report import write_report
from .sources import read_data, read_labels, read_network


@command
def report(
    network: Network,
    data: Data,
    labels: Annotated[Optional[Path], typer.Option(
        help="Classes of the inputs, for accuracy and confusion matrix.")] = None,
    output: Annotated[Optional[Path], typer.Option("-o", help="Default: NAME.html")] = None,
    method: Annotated[Literal["mse", "aifes"], typer.Option(help="As for quantize.")] = "mse",
    name: Annotated[Optional[str], typer.Option(help="Name in the report.")] = None,
    which: Output = None,
    json: Json = False,
):
    """Write a report as HTML: the network, its errors by layer, memory, cost on boards."""
    graph = read_network(network, name, which)
    x = read_data(data)
    result = quantize(graph, x, method)
    output = output or Path(f"{graph.name}.html")
    facts = write_report(result, x, output, None if labels is None else read_labels(labels, len(x)))
    show(json, dict(facts, output=str(output)),
         lambda: console.print(f"{output}: open it in a browser", markup=False))
