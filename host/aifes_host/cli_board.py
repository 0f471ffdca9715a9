"""The command `aifes`, with a board: devices, deploy, run, bench, shell."""
import contextlib
import functools
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Literal, Optional

import numpy as np
import typer
from aifes.format import decode
from rich.progress import BarColumn, Progress, TextColumn

from . import cli_outputs
from .boards import deploy as deployment
from .boards import measure
from .boards.board import Drive
from .boards.devices import devices as find_devices
from .boards.devices import open_board
from .boards.transport import BoardError
from .cli_app import (
    Json,
    Model,
    command,
    console,
    fail,
    print_table,
    say,
    show,
    write_outputs,
)
from .float32 import compared, same
from .layout import arrange
from .simulator import Simulator
from .sources import board_rows, read_data

PATIENCE = 5  # seconds without a line, where no terminal shows a bar
Port = Annotated[str, typer.Option(
    envvar="AIFES_PORT", help="Serial port, folder of a CircuitPython drive, or auto: the only "
                              "board that is there.")]
Transport = Annotated[Literal["mpremote", "ampy"], typer.Option(
    help="ampy: slower, if mpremote has trouble with a board (pip install adafruit-ampy).")]
Path_ = Annotated[Optional[str], typer.Option("--to", help="Path on the board; default: its name.")]


def board_command(function):
    """A command whose BoardErrors are one sentence and exit code 3."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        try:
            function(*args, **kwargs)
        except BoardError as error:
            fail(str(error), 3)

    return command(run)


@board_command
def devices(json: Json = False):
    """List the boards that are connected, without disturbing them."""
    found = find_devices()

    def draw():
        if not found:
            console.print("no board found: plug one in, with a USB cable that carries data")
            return
        print_table(("port", "description", "USB", "serial number"),
                    [(d["port"], d["description"], d["usb"], d["serial"]) for d in found],
                    texts=range(4))

    show(json, found, draw)


def _deploy(board, model, to, quiet, engines=(), everything=False, pieces=None, details=False):
    """Bring a board up to date; (Plan, seconds, engine that ran). details: say what is planned."""
    start = time.monotonic()
    contents = model.read_bytes()
    path = to or model.name
    path += model.name if path.endswith("/") else ""
    with _waiting("asking what is on the board", quiet):
        plan = deployment.plan(board, contents, path, engines, everything, pieces)
    if details and not quiet:
        say(f"board    {board.info.title} on {board.port}")
        say(f"engine   {plan.choice.engine}: {plan.choice.why}")
        order = f", ordered for {plan.choice.target}"
        say(f"model    {len(contents):,} bytes in {model.name}, {len(plan.file):,} on the board"
            + (order if plan.model != contents else ""))
        if plan.cut:
            say(f"         read in {len(plan.cut.models) - 2} pieces of at most "
                f"{plan.cut.largest:,} bytes: each inference reads {plan.cut.read:,} bytes of the "
                "file (aifes bench: how long that takes)")
        heap = "" if board.info.heap_free is None else \
            f"; heap: needs {sum(plan.heap):,} of {board.info.heap_free:,} bytes"
        console.print(f"flash    needs {plan.flash:,} of {board.info.flash_free:,} bytes" + heap)
    with _progress(plan.stored, "writing", quiet) as advance:
        deployment.execute(board, plan, advance)
    with _waiting("checking it on the board", quiet):
        engine = None if isinstance(board, Drive) else deployment.verify(board, plan)
    return plan, time.monotonic() - start, engine


@contextlib.contextmanager
def _waiting(what, quiet):
    """A sign of life for people while the board works: at a terminal at once, else a line when it
    takes long."""
    if quiet:
        yield
    elif console.is_terminal:
        with console.status(what):
            yield
    else:
        timer = threading.Timer(PATIENCE, say, [what])
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _open(port, transport, model, quiet):
    """The board; a file that is no model is refused before it is looked for."""
    decode(memoryview(model.read_bytes()))
    with _waiting("connecting", quiet):
        return open_board(port, transport)


class _progress:
    """A progress bar over `total`, if there is something to do; where no terminal shows it, a line
    now and then."""

    def __init__(self, total, what, quiet):
        self._lines = not quiet and not console.is_terminal
        self._done, self._shown = 0, time.monotonic()
        self._bar = Progress(TextColumn("{task.description}"), BarColumn(),
                             TextColumn("{task.completed:,.0f} / {task.total:,.0f}"),
                             console=console, transient=True,
                             disable=quiet or not total or not console.is_terminal)
        self._total, self._what = total, what

    def __enter__(self):
        self._bar.__enter__()
        self._task = self._bar.add_task(self._what, total=self._total)
        return self._advance

    def _advance(self, n):
        self._bar.advance(self._task, n)
        self._done += n
        if self._lines and time.monotonic() - self._shown >= PATIENCE:
            self._shown = time.monotonic()
            say(f"{self._what}: {self._done:,} of {self._total:,}")

    def __exit__(self, *error):
        return self._bar.__exit__(*error)


@board_command
def deploy(model: Model, port: Port = "auto", to: Path_ = None, transport: Transport = "mpremote",
           everything: Annotated[bool, typer.Option(
               "--all", help="The whole package: every engine, models built or quantized on the "
                             "board, and those of float32.")] = False,
           pieces: Annotated[Optional[bool], typer.Option(
               "--pieces/--no-pieces",
               help="Let each inference read the model from its file, piece by piece, also if "
                    "there is heap for all of it: for a program that needs the heap, and for "
                    "drives, which cannot be asked. Or never. Default: where there is no other "
                    "way, and where it is in pieces already.")] = None,
           json: Json = False):
    """Put a model and the runtime that it needs onto a board, checked before and after.

    The model on the board stays in use until the new one is complete, and is kept as the one to
    fall back to. The board's program is stopped; nothing is started. A model that is larger than
    the heap is read from its file at each inference.
    """
    with _open(port, transport, model, json) as board:
        plan, seconds, engine = _deploy(board, model, to, json, (), everything, pieces, True)
        written = plan.written

        def draw():
            console.print(f"written  {len(written)} files, {plan.upload:,} bytes; {plan.kept} were "
                          f"there already; {seconds:.1f} s")
            console.print("checked  " + (
                "what was stored; only the board itself can run it" if engine is None else
                f"3 samples on the {engine} engine: the simulator's results, "
                + compared(Simulator(plan.model).is_float, engine)))
            console.print(f'on the board:  import aifes; net = aifes.load("{plan.path}")',
                          markup=False)

        show(json, {
            "port": board.port, "board": board.info.title, "engine": plan.choice.engine,
            "why": plan.choice.why, "verified": engine is not None, "path": plan.path,
            "written": written, "uploaded_bytes": plan.upload, "flash_bytes": plan.flash,
            "heap_bytes": sum(plan.heap), "read_bytes": plan.cut.read if plan.cut else 0,
            "seconds": round(seconds, 2)}, draw)


@board_command
def run(model: Model,
        input: Annotated[Path, typer.Option("--input", "-i", help="Inputs: .npy, .npz or .csv.")],
        output: Annotated[Optional[Path], typer.Option(
            "-o", help="Write the outputs as .npy or .csv.")] = None,
        labels: Annotated[Optional[Path], typer.Option(
            help="Classes of the inputs, for the accuracy.")] = None,
        port: Port = "auto", to: Path_ = None, transport: Transport = "mpremote",
        json: Json = False):
    """Compute on the board and compare with the simulator; deploys what is missing.

    Compared bit by bit; float32 results of the Python engine within 1e-4, as CircuitPython's floats
    have 30 bits.
    """
    x = board_rows(read_data(input), Simulator(model.read_bytes()).inputs)
    with _open(port, transport, model, json) as board:
        _need_serial(board)
        plan, _, engine = _deploy(board, model, to, json)
        simulator = Simulator(plan.model)
        with _progress(len(x), "computing", json) as advance:
            got = measure.run(board, plan, x, advance)
    if simulator.is_float:
        y = got
        different = int((~same(got, simulator(x).astype(np.float32), engine)).any(1).sum())
    else:
        want = simulator.run(simulator.quantized(x))
        different = int((got != want).any(1).sum())
        y = simulator.real(got)
    if output is not None:
        write_outputs(y, output)

    how = compared(simulator.is_float, engine)
    found = cli_outputs.describe(plan.model, simulator.plan, y, labels)

    def draw():
        cli_outputs.draw(found)
        verdict = f"the simulator's results, {how}" if not different else \
            f"{different} differ from the simulator, compared {how}"
        say(f"board    {board.info.title}, {engine} engine")
        say(f"checked  {len(x)} samples: {verdict}")

    show(json, {"board": board.info.title, "engine": engine, "samples": len(x),
                "different": different, "compared": how, **found}, draw)
    if different:
        raise SystemExit(1)


def _need_serial(board):
    if isinstance(board, Drive):
        raise BoardError("a drive cannot compute: `aifes deploy` onto it, then give the board's "
                         "serial port as --port here")


@board_command
def bench(model: Model, port: Port = "auto", to: Path_ = None, transport: Transport = "mpremote",
          json: Json = False):
    """Time, cycles and heap on the board: whole, by layer, and beside the other engines.

    Those are deployed too, and stay there.
    """
    with _open(port, transport, model, json) as board:
        _need_serial(board)
        plan, _, engine = _deploy(board, model, to, json, ("viper", "python"))
        models = {engine: (plan.path, plan.model)}
        rows = bytes(arrange(plan.model, "any"))  # what viper and Python are fast on
        spare = plan.path
        others = [] if plan.cut else [  # they would take minutes
            other for other in ("viper", "python") if other != engine
            and (other == "python" or board.info.viper)]
        if rows != plan.model and others:
            spare = board.info.path("bench.aifes")
            board.write(spare, rows)
        models.update((other, (spare, rows)) for other in others)
        try:
            with _waiting("measuring", json):
                found = measure.bench(board, plan, models)
        finally:
            if spare != plan.path:
                board.reset()
                board.remove(spare)
    info, main = board.info, found[engine]

    def draw():
        say(f"board    {info.title}, {engine} engine")
        say(f"heap     {main['heap']:,} bytes for the import and this model, "
            f"{main['allocated']} allocated by run()")
        rows = [[name + (" (and the call)" if i == 0 else ""), n, _us(us), _cycles(cycles)]
                for i, (name, n, us, cycles) in enumerate(main["layers"])]
        ends = [("forward()", main["forward"]), (f"run(), {main['buffers']}", main["run"])]
        if plan.cut:
            ends.insert(0, ("reading of the pieces", main["reading"]))
        else:
            say("by layer")
        rows += [[name, "", _us(us), _cycles(cycles)] for name, (us, cycles) in ends]
        _print_times(["layer", "elements", "us", "cycles"], rows)
        if any(row[2] == _us(None) for row in rows):
            say("-: shorter than what the measurement differs by")
        if len(found) == 1:
            return
        say("\nthe same network otherwise, on this board: run() with floats")
        rows = []
        for name, one in found.items():
            us, cycles = (one if name == "float" else one and one["run"]) or (None, None)
            label = "plain Python, float lists" if name == "float" else f"aifes, {name} engine"
            times = f"{us / main['run'][0]:,.1f}" if us and main["run"][0] else ""
            rows.append([label, "no room" if one is None else _us(us), _cycles(cycles), times])
        _print_times(["", "us", "cycles", "times as long"], rows)

    show(json, dict(found, board=info.title), draw)


def _print_times(titles, rows):
    """A table; without cycles where the board lets nobody read its counter (CircuitPython)."""
    at = titles.index("cycles")
    if not any(row[at] for row in rows):
        titles, *rows = [row[:at] + row[at + 1:] for row in (titles, *rows)]
    print_table(titles, rows)


def _us(value):
    return "-" if value is None else f"{value:,.1f}"


def _cycles(value):
    return "" if value is None else f"{value:,}"


@command
def shell(port: Port = "auto"):
    """Open the board's Python prompt (leave it with Ctrl-])."""
    target = [] if port == "auto" else ["connect", port]
    raise SystemExit(subprocess.run([sys.executable, "-m", "mpremote", *target, "repl"]).returncode)
