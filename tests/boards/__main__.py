"""make boards: start emulated boards with real firmware and say at which ports they are."""
import contextlib
import sys
import tempfile
import threading
from pathlib import Path

import needs
from rich.console import Console
from rich.table import Table

from .process import orderly_end
from .start import CACHE, NOT_MODELLED, TOOLS, alone, start


def main(names):
    for name in names:
        if name not in NOT_MODELLED:
            sys.exit(f"no board {name}: {', '.join(NOT_MODELLED)}")
    orderly_end()
    console = Console()
    table = Table(title="emulated boards: aifes deploy MODEL --port PORT, "
                        "mpremote connect PORT")
    for title in ("board", "port", "not modelled"):
        table.add_column(title, no_wrap=title == "port")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in names:
            lacking = [needs.why_missing(tool) for tool in TOOLS[name] if needs.missing(tool)]
            if lacking:
                console.print(f"{name} does not start: {lacking[0]}")
                continue
            with console.status(f"{name} (its firmware is built once)"), alone():
                board = stack.enter_context(start(name, CACHE, folder))
            table.add_row(name, board.port, NOT_MODELLED[name])
        if not table.rows:
            sys.exit(1)
        console.print(table)
        console.print("Ctrl-C stops them.")
        threading.Event().wait()


main(sys.argv[1:] or list(NOT_MODELLED))
