"""Child processes that do not outlive this one, however it ends: by SIGKILL as well."""
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

# the kernel sends the signal at this process's death; setpriv becomes the command
EMULATOR = ("setpriv", "--pdeathsig", "KILL")
# a build has children of its own: all of its session end with it
BUILD = ("setpriv", "--pdeathsig", "TERM", "sh", "-c", 'trap "kill -KILL 0" TERM; "$@" & wait $!',
         "sh")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Emulated:
    """What emulators of boards have alike; _process: the one that it runs in."""

    def pause(self):
        """It computes nothing, until go_on()."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)


def build(command, env):
    """Run a build script to its end; what ends this process ends all that the script started."""
    with subprocess.Popen([*BUILD, *command], env=env, start_new_session=True) as process:
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            raise
    if code:
        raise subprocess.CalledProcessError(code, command)


def orderly_end():
    """Signals that end a process, here or at make, become SystemExit: `with` blocks are left as
    usual. What is ignored stays so: nohup."""
    def stop(number, _):
        for n in handled:
            signal.signal(n, signal.SIG_IGN)  # one is enough: a second would cut short the end
        raise SystemExit(128 + number)

    handled = [n for n in ENDING if signal.getsignal(n) != signal.SIG_IGN]
    for n in handled:
        signal.signal(n, stop)
    parent = Path(f"/proc/{os.getppid()}")
    if (parent / "comm").read_text() == "make\n":
        threading.Thread(target=_watch_make, args=(parent,), daemon=True).start()


def _watch_make(parent):
    """End with make: SIGINT or SIGHUP to it alone is not passed on, make waits for its children.
    It is seen all the same: make no longer catches that signal."""
    first = _caught(parent)
    while _caught(parent) == first:
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)


def _caught(process):
    """Which of the ENDING signals a process has a handler for; None if it is gone."""
    try:
        status = (process / "status").read_text()
    except OSError:
        return None
    mask = int(re.search(r"^SigCgt:\s*(\w+)", status, re.M)[1], 16)
    return [n for n in ENDING if mask >> n - 1 & 1]
