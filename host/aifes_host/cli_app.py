"""What the commands of `aifes` share: the app, how errors and results are shown."""
import functools
import json as json_module
import re
import sys
from pathlib import Path
from typing import Annotated, Optional

import aifes
import numpy as np
import rich.progress
import typer
from rich.console import Console

from . import text_table
from .files import check_file
from .graph import ConversionError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
                  help="Neural networks for microcontrollers: quantize on the PC, run anywhere.",
                  context_settings={"help_option_names": ["-h", "--help"]})
console = Console(highlight=False, soft_wrap=True)


def _version(wanted: bool):
    if wanted:
        print(f"aifes {aifes.__version__}")
        raise typer.Exit()


@app.callback()
def options(version: Annotated[bool, typer.Option(
        "--version", callback=_version, is_eager=True, help="Show the version.")] = False):
    pass


Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
MODEL = 1 << 26  # bytes of an .aifes file


def regular(path):
    """The path, if it is a file that can be a model: no device that never ends."""
    try:
        check_file(path, MODEL)
    except ConversionError as error:
        fail(str(error))
    return path


Model = Annotated[Path, typer.Argument(help="An .aifes file.", callback=regular)]
Network = Annotated[str, typer.Argument(
    help=".keras, .h5, .onnx, .pt2 (torch.export.save), .json, or FILE.py:NAME, a variable: a "
         "model of Keras, PyTorch, ONNX or scikit-learn, or a list of layers.")]
Output = Annotated[Optional[list[str]], typer.Option(
    "--output", metavar="NAME", help="Which output of the network to convert, if it has several "
                                     "(Keras, ONNX, PyTorch); once for each that is wanted.")]
Data = Annotated[Path, typer.Option(
    help="Representative inputs: .npy, .npz, .csv, or FILE.py:NAME, an array or a function that "
         "returns one.")]


def command(function):
    """Register a command whose expected errors are one sentence and exit code 2."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        try:
            function(*args, **kwargs)
        except (ConversionError, aifes.ModelError) as error:
            fail(str(error))
        except OSError as error:
            fail(f"{error.filename or ''}: {error.strerror or error}")
        except ImportError as error:
            fail(f"{error.name or error} is not installed: pip install {error.name or ''}")

    return app.command()(run)


def fail(message, code=2):
    print(f"aifes: {message}", file=sys.stderr)
    raise SystemExit(code)


def show(json, data, draw):
    if json:
        print(json_module.dumps(data, indent=2))
    else:
        draw()


def say(text, style=None):
    """Print text as it is: brackets in a file's name are no markup."""
    console.print(text, style=style, markup=False)


def print_table(titles, rows, texts=(0,)):
    """Print a table; the columns `texts` are flush left, the others, figures, flush right."""
    for i, line in enumerate(text_table.lines(titles, rows, console.width, texts)):
        say(line, "bold" if i == 0 else None)


def default_output(name, suffix):
    """The file in this folder for a network of this name."""
    return Path(re.sub(r'[\\/:*?"<>|\0]', "_", name) + suffix)


def track(json, items, what):
    """Iterate with a progress bar, for people."""
    return rich.progress.track(items, what, console=Console(stderr=True), transient=True,
                               disable=json)


def write_outputs(y, path):
    """Real outputs [samples, outputs] into a .npy or .csv file."""
    if path.suffix == ".npy":
        np.save(path, y.astype(np.float32))
    elif path.suffix == ".csv":
        np.savetxt(path, y, delimiter=",", fmt="%.9g")
    else:
        raise ConversionError(f"{path} must end in .npy or .csv")
