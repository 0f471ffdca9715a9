"""FILE.py:NAME: a variable of a Python file, which is run once, as `python FILE.py` runs it.

So it is `__main__`, has its folder in sys.path and no arguments. But an .aifes model that was there
before cannot be overwritten: whoever asks for a variable does not think of what else is written.
"""
import builtins
import contextlib
import os
import stat
import sys
import traceback
import types
from pathlib import Path

from aifes.format import MAGIC

from .files import check_file
from .graph import ConversionError

RUNNING = "AIFES_RUNNING"  # the script being run, for an `aifes` that it starts
LIMIT = 1 << 24  # bytes of a script
_scripts = {}  # by path, size and time: a file that was changed is run again


def script(path):
    """The Script of a path, run already."""
    check_file(path, LIMIT)
    status = os.stat(path)
    if os.environ.get(RUNNING) == os.path.realpath(path) and not _Writes.current:
        raise ConversionError(f"{path} calls `aifes` on itself, without end: take that out of it")
    key = os.path.realpath(path), status.st_size, status.st_mtime_ns
    found = _scripts.get(key)
    if found is None:
        found = _scripts[key] = Script(path)
        try:
            found.run()
        except BaseException:
            del _scripts[key]
            raise
    return found


class Script:
    """A Python file and what its run left: the variables, the modules beside it, sys.path."""

    def __init__(self, path):
        self.path = str(path)
        self.file = os.path.abspath(path)
        self.folder = os.path.dirname(self.file)
        self.module = types.ModuleType("__main__")
        self.module.__file__ = self.file
        self.module.__builtins__ = builtins
        self._argv = [self.path]
        self._sys_path = [self.folder, *sys.path]
        self._siblings = {}
        self._writes = _Writes(self)

    def run(self):
        """Run the file; ConversionError names the line at which it failed."""
        with self.calling():
            code = compile(Path(self.file).read_bytes(), self.file, "exec", dont_inherit=True)
            try:
                exec(code, self.module.__dict__)
            except SystemExit as end:
                if end.code not in (None, 0):  # sys.exit(main()) at the end is a good end
                    raise
        self._writes.tell()

    def variable(self, name):
        if name not in vars(self.module):
            raise ConversionError(f"{self.path} has no variable {name!r}")
        return vars(self.module)[name]

    @contextlib.contextmanager
    def active(self):
        """As inside of the run, for what its objects import or unpickle later.

        What it prints goes to the other stream: a command's own output may be JSON.
        """
        main, argv, path, folder = sys.modules["__main__"], sys.argv, sys.path, os.getcwd()
        before = set(sys.modules)
        sys.modules.update(self._siblings, __main__=self.module)
        sys.argv, sys.path = self._argv, self._sys_path
        os.environ[RUNNING] = os.path.realpath(self.file)
        try:
            with contextlib.redirect_stdout(sys.stderr), self._writes:
                yield
        finally:
            self._argv, self._sys_path = sys.argv, sys.path
            sys.modules["__main__"], sys.argv, sys.path = main, argv, path
            os.chdir(folder)
            del os.environ[RUNNING]
            # another script may have modules of the same names beside it
            new = set(sys.modules) - before
            roots = {n for n in new if "." not in n and self._is_beside(sys.modules[n])}
            self._siblings.update({n: sys.modules.pop(n) for n in new
                                   if n.partition(".")[0] in roots})

    @contextlib.contextmanager
    def calling(self):
        """active(), where the script's errors are one sentence with the line."""
        try:
            with self.active():
                yield
        except (Exception, SystemExit) as error:
            if self._writes.refusal is None:
                raise ConversionError(self._failure(error)) from error
        if self._writes.refusal is not None:  # even if the script went on
            raise ConversionError(self._writes.refusal)

    def line(self, frames):
        """The innermost line of the script's own among (frame, line) pairs, or None."""
        lines = [n for frame, n in frames if frame.f_code.co_filename == self.file]
        return lines[-1] if lines else None

    def _failure(self, error):
        if isinstance(error, SyntaxError) and error.filename == self.file:
            line = error.lineno
        else:
            line = self.line(traceback.walk_tb(error.__traceback__))
        if line is None and isinstance(error, ConversionError):  # ours, about the script
            return str(error)
        where = self.path if line is None else f"{self.path}, line {line}"
        if isinstance(error, ConversionError):  # the script uses aifes_host
            return f"{where}: {error}"
        words = (error.msg if isinstance(error, SyntaxError) else str(error)).strip()
        words = words.splitlines()[0] if words else ""
        if isinstance(error, SystemExit) and isinstance(error.code, int):
            return (f"{where}: it ended with exit code {error.code}; it is run without arguments, "
                    "so give them defaults")
        name = type(error).__name__
        return f"{where}: it failed with {name}: {words}" if words else \
            f"{where}: it failed with {name}"

    def _is_beside(self, module):
        file = getattr(module, "__file__", None)
        folders = list(getattr(module, "__path__", [])) or [file]
        return any(os.path.dirname(os.path.abspath(f)) == self.folder for f in folders if f)


class _Writes:
    """Watches what a script writes: refuses to touch models, tells what else it changed."""

    current = None  # the one that the audit hook serves
    hooked = False  # Python never removes an audit hook: one for all

    def __init__(self, script):
        self.script = script
        self.refusal = None
        self._new, self._again = set(), []

    def __enter__(self):
        self._outer, _Writes.current = _Writes.current, self
        if not _Writes.hooked:
            _Writes.hooked = True
            sys.addaudithook(_audit)

    def __exit__(self, *error):
        _Writes.current = self._outer

    def check(self, path):
        """Called before a path is written, replaced or removed."""
        if isinstance(path, int):
            return
        name = os.path.realpath(os.fsdecode(path))
        if name in self._new:
            return
        try:
            status = os.stat(name)
        except OSError:
            self._new.add(name)
            return
        if not stat.S_ISREG(status.st_mode):
            return
        if _is_model(name):
            self._refuse(os.fsdecode(path))
        if self._is_near(name) and name not in self._again:
            self._again.append(name)

    def tell(self):
        """Say which other files the run changed."""
        if self._again:
            names = ", ".join(min(n, os.path.relpath(n), key=len) for n in self._again[:5])
            more = f" and {len(self._again) - 5} more" if len(self._again) > 5 else ""
            print(f"aifes: note: {self.script.path} was run and changed {names}{more}",
                  file=sys.stderr)
            self._again.clear()

    def _is_near(self, name):
        """Beside the script or in the current folder, but in no cache."""
        for folder in (self.script.folder, os.getcwd()):
            inside = os.path.relpath(name, os.path.realpath(folder)).split(os.sep)
            if not any(part.startswith((".", "__")) for part in inside) and \
                    "site-packages" not in inside:
                return True
        return False

    def _refuse(self, name):
        script = self.script
        line = script.line(reversed(list(traceback.walk_stack(None))))
        where = script.path if line is None else f"{script.path}, line {line}"
        self.refusal = (
            f"{where}: it would overwrite the model {name}, which was there before; "
            "`aifes` runs a script for its variables only: take the line out and let `aifes "
            "quantize` write the model, or delete it first")
        raise ConversionError(self.refusal)


def _is_model(name):
    if name.lower().endswith(".aifes"):
        return True
    try:
        with open(name, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _audit(event, args):
    if _Writes.current is None:
        return
    if event == "open":
        path, _, flags = args
        if flags & (os.O_WRONLY | os.O_RDWR):
            _Writes.current.check(path)
    elif event == "os.rename":
        for path in args[:2]:
            _Writes.current.check(path)
    elif event in ("os.remove", "os.truncate"):
        _Writes.current.check(args[0])
