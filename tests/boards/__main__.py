"""make boards: start emulated boards with real firmware and say at which ports they are."""
import contextlib
import os
import sys
import tempfile
import threading
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .start import NOT_MODELLED, start


def main(names):
    for name in names:
        if name not in NOT_MODELLED:
            sys.exit(f"no board {name}: {', '.join(NOT_MODELLED)}")
    cache = os.environ.get("AIFES_CACHE") or Path.home() / ".cache" / "aifes"
    console = Console()
    table = Table(title="emulated boards: aifes deploy MODEL --port PORT, "
                        "mpremote connect PORT")
    for title in ("board", "port", "not modelled"):
        table.add_column(title, no_wrap=title == "port")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in names:
            with console.status(f"{name} (its firmware is built once)"):
                board = stack.enter_context(start(name, cache, folder))
            table.add_row(name, board.port, NOT_MODELLED[name])
        console.print(table)
        console.print("Ctrl-C stops them.")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


main(sys.argv[1:] or list(NOT_MODELLED))
