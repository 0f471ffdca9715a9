"""What README and docs/ show works when pasted; docs/README.md says how its blocks are run."""
import ast
import importlib.util
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import aifes
import aifes_host
import mpremote.main
import pytest
import typer
from aifes_host import cli, cli_board, cli_report  # noqa: F401  they register the commands
from aifes_host.boards.board import SerialBoard
from aifes_host.cli_app import app
from boards.start import TOOLS, start
from conftest import CACHE, alone, build_native, micropython, need

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()
EXTRAS = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text().partition(
    "[project.optional-dependencies]")[2].partition("\n[")[0], re.M)
CLI = typer.main.get_command(app)
ON_BOARD = ("deploy", "run", "bench")  # `devices` needs none, `shell` somebody who types
PACKAGES = {"keras.md": "keras", "pytorch.md": "torch", "onnx.md": "onnx", "person.md": "skimage"}
# what a page says to download, and where it may lie already
DOWNLOADS = {"person.md": "vww_96.h5"}
MODELS = Path(os.environ.get("AIFES_MODELS", ROOT.parent / "shared" / "models"))
# a fenced block, or an indented command
STEP = re.compile(r"^```(\w*)\n(.*?)^```$|^    ((?:aifes|make|mpremote|pip) [^\n]*)$", re.M | re.S)

# a statement at the prompt, the lines that go on with it, and what is printed
SESSION = re.compile(r"^(>>> .*\n(?:\.\.\. .*\n)*)((?:(?!>>> ).*\n)*)", re.M)


def steps(page):
    """(kind, text) of all blocks, in order."""
    return [(kind or "sh", block or line) for kind, block, line in STEP.findall(page.read_text())]


def commands(text):
    """The words of each command of a shell block."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """An emulated Pico: the board of all pages, which goes on for those only that need it."""
    need(*TOOLS["pico"])
    build_native("armv6m")
    with alone():
        board = start("pico", CACHE, tmp_path_factory.mktemp("pico"))
    with board:
        yield board


@pytest.fixture
def pico(started):
    """Its port."""
    started.go_on()
    yield started.port
    started.pause()


class Runner:
    """Runs the blocks of one page in its folder; `said`: the output of the last one."""

    def __init__(self, folder, port):
        self.folder = folder
        self.port = port  # of the emulated Pico, if the page needs a board
        self.said = ""
        drive = folder / "CIRCUITPY"
        drive.mkdir()
        (drive / "boot_out.txt").write_text("Adafruit CircuitPython 10.2.1; Raspberry Pi Pico\n")
        backend = "tensorflow" if importlib.util.find_spec("tensorflow") else "torch"
        self.env = {"KERAS_BACKEND": backend, "COLUMNS": "100", **os.environ,
                    "AIFES_PORT": port or "", "MICROPYPATH": f"{ROOT / 'device'}:.frozen"}

    def _execute(self, *command):
        done = subprocess.run(list(map(str, command)), cwd=self.folder, env=self.env,
                              capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        self.said += done.stdout

    def python(self, text):
        self.said = ""
        first = text.partition("\n")[0]
        if first == "# on the board":
            self._execute(micropython(), "-c", text)
        elif re.fullmatch(r"# \w+\.py", first):
            (self.folder / first[2:]).write_text(text)
            self._execute(sys.executable, "-W", "ignore", first[2:])
        else:
            self._execute(sys.executable, "-W", "ignore", "-c", text)

    def pycon(self, text):
        """A session at the prompt of the board, just reset: it says what the page shows."""
        board = SerialBoard(self.port)
        board.reset()
        for statement, shown in SESSION.findall(text):
            statement = statement.replace(">>> ", "", 1).replace("\n... ", "\n")
            if isinstance(ast.parse(statement).body[0], ast.Expr):
                statement = f"_ = {statement}\nif _ is not None:\n print(_)"
            assert board.execute(statement, 120).splitlines() == shown.splitlines(), statement
        board.close()

    def sh(self, text):
        self.said = ""
        for words in commands(text):
            getattr(self, "_" + words[0])(words[1:])

    def text(self, text):
        """The output of the block before it, but for numbers and lines that are left out."""
        said = [_masked(line) for line in self.said.splitlines()]
        for line in text.splitlines():
            assert line == "..." or _masked(line) in said, f"{line!r} is not in\n{self.said}"

    def _aifes(self, words):
        words = [self.port if re.match(r"/dev/|COM\d|auto$", w) else
                 "CIRCUITPY" if w.endswith("/CIRCUITPY") else w for w in words]
        if words[0] == "shell" or words[0].startswith("-"):
            parse(words)
        else:
            self._execute(Path(sys.executable).parent / "aifes", *words)

    def _make(self, words):
        for target in [w for w in words if "=" not in w]:
            assert re.search(rf"^{target}:", MAKEFILE, re.M), f"make {target}"

    def _pip(self, words):
        for extras in re.findall(r"\.\[(.*)\]", " ".join(words)):
            assert set(extras.split(",")) <= set(EXTRAS), extras

    def _mpremote(self, words):
        if words[0] == "connect":
            words = words[2:]
        assert words[0] in mpremote.main._COMMANDS, words
        if words[0] == "mip":
            assert (ROOT / Path(words[2]).name).is_file() or words[2].startswith("github:")
        if words[:2] == ["fs", "cp"]:
            for source in words[2:-1]:
                found = [p for p in (self.folder / source, ROOT / source) if p.is_file()]
                assert found, source
                if self.port and re.search(r":.*[^/]$", words[-1]):
                    with SerialBoard(self.port) as board:
                        board.write("/" + words[-1][1:], found[0].read_bytes())


def _masked(line):
    line = re.sub(r"/dev/\S+", "PORT", line)
    return " ".join(re.sub(r"[-+]?\d[\d.,]*(e[-+]?\d+)?", "0", line).split())


def parse(words):
    """Let the real command line parse a command; it raises click's error for a wrong option."""
    if not words[0].startswith("-"):
        CLI.commands[words[0]].make_context(words[0], words[1:])


def needs_board(page):
    return any(words[0] == "aifes" and words[1] in ON_BOARD
               and not any(w.endswith("CIRCUITPY") for w in words)
               for kind, text in steps(page) if kind == "sh" for words in commands(text))


def skip_what_is_missing(page):
    """The trainers' packages are optional for users; CI has them. Networks of other people are not
    a part of this project."""
    package = PACKAGES.get(page.name)
    if package and not importlib.util.find_spec(package):
        assert "CI" not in os.environ, f"{package} is missing"
        pytest.skip(f"{package} is missing")
    name = DOWNLOADS.get(page.name)
    if name and not (MODELS / name).is_file():
        pytest.skip(f"{name} is not in {MODELS}: docs/{page.name} says where it is to be had, "
                    "AIFES_MODELS=FOLDER where you have it")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_page(page, tmp_path, request):
    found = steps(page)
    assert {kind for kind, _ in found} <= {"python", "pycon", "sh", "text"}
    skip_what_is_missing(page)
    runner = Runner(tmp_path, request.getfixturevalue("pico") if needs_board(page) else None)
    if page.name in DOWNLOADS:
        shutil.copy(MODELS / DOWNLOADS[page.name], tmp_path)
    for kind, text in found:
        getattr(runner, kind)(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_names_in_the_text(page):
    """Commands, options, make targets and links within sentences exist; pages are short."""
    text = STEP.sub("", page.read_text())
    assert page.name == "README.md" or len(page.read_text().splitlines()) < 150
    for name, rest in re.findall(r"`aifes ([a-z]+)([^`\n]*)`", text):
        known = {o for p in CLI.commands[name].params for o in p.opts}
        assert set(re.findall(r"(?<!\S)--?[a-z][\w-]*", rest)) <= known | {"--help"}, name + rest
    for target in re.findall(r"`make ([a-z]+)`", text):
        assert re.search(rf"^{target}:", MAKEFILE, re.M), target
    for link in re.findall(r"\]\(([^)#:]+)[)#]", text):
        assert (page.parent / link).exists(), link


def test_map_names_what_exists():
    for folder, text in re.findall(r"^\| `([\w/-]+/)` \| (.*) \|$", README, re.M):
        assert (ROOT / folder).is_dir(), folder
        for name in re.findall(r"`(\w+(?:\.\w+|/))`", text):
            assert (ROOT / folder / name).exists(), folder + name


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text()
    for page in PAGES[1:]:
        name = page.relative_to(ROOT / "docs").as_posix()
        assert name == "README.md" or f"]({name})" in index, name


def test_device_api_is_complete():
    text = (ROOT / "docs" / "device_api.md").read_text()
    names = [*aifes.__all__, *re.findall(r" (\w+)", aifes._PARTS), "__version__"]
    for owner in (aifes.Model, aifes.Sequential, aifes.Quantizer, aifes.q7):
        names += [n for n, v in vars(owner).items()
                  if n[0] != "_" and inspect.isfunction(v) and "aifes" in v.__module__]
    names += re.findall(r"^    (\w+): ", (ROOT / "device/aifes-stubs/__init__.pyi").read_text(),
                        re.M)
    for name in set(names) - {"fixed", "ratio"}:  # q7's own helpers
        assert re.search(rf"`[^`]*\b{name}\b[^`]*`", text), name


def test_host_api_is_complete():
    text = (ROOT / "docs" / "host_api.md").read_text()
    for name in aifes_host.__all__:
        assert re.search(rf"`[^`]*{name}\b[^`]*`", text), name


def test_command_line_is_complete():
    text = (ROOT / "docs" / "command_line.md").read_text()
    names = []
    for name, command in CLI.commands.items():
        names += ["aifes " + name, *(max(p.opts, key=len) for p in command.params
                                     if p.opts[0].startswith("-"))]
    for name in names:
        assert re.search(rf"`[^`]*{name}\b[^`]*`", text), name


def test_tables_of_commands_name_their_options():
    """All options of a command stand in its table, and no other ones."""
    text = (ROOT / "docs" / "command_line.md").read_text()
    tables = re.findall(r"^\| `aifes (\w+)` \|.*\n\|---\|---\|\n((?:\|.*\n)+)", text, re.M)
    assert len(tables) == 6
    for name, table in tables:
        known = {min(p.opts, key=len) if p.opts[0] == "-o" else max(p.opts, key=len)
                 for p in CLI.commands[name].params if p.opts[0].startswith("-")}
        cells = "".join(line.split("|")[1] for line in table.splitlines())
        given = set(re.findall(r"`(--?[a-z][\w-]*)`", cells)) - {"-i"}
        assert given == known - {"--json", "--help"}, name


def test_options_in_sentences_exist():
    """An option that stands alone in a page is one of some command."""
    known = {o for c in CLI.commands.values() for p in c.params
             for o in [*p.opts, *p.secondary_opts]}
    known |= {"--help", "--version"}
    for page in PAGES:
        for option in re.findall(r"`(--[a-z][\w-]*)[^`]*`", STEP.sub("", page.read_text())):
            assert option in known, f"{page.name}: {option}"


def test_boards_of_the_readme():
    """The table of boards and engines has the architectures that are built, all of them."""
    table = re.findall(r"^\|.*\| C for `(\w+)` \|.*\|$", README, re.M)
    built = {p.name.rpartition("_")[0] for p in (ROOT / "host/aifes_host/native").iterdir()}
    assert set(table) == built - {"x64", "armv7m"}
    assert len(README.splitlines()) <= 140


def messages():
    """Every string of the code as a user may read it, … for what is put in."""
    found = set()
    for path in [*ROOT.glob("device/aifes/**/*.py"), *ROOT.glob("host/aifes_host/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.add("".join(v.value if isinstance(v, ast.Constant) else "…"
                                  for v in node.values))
    return found


def test_troubleshooting_quotes_real_messages():
    text = "".join(p.read_text() for p in ROOT.glob("docs/troubleshooting*.md"))
    quoted = re.findall(r"\*\*`(.*?)`\*\*", text)
    assert len(quoted) > 60
    strings = messages()
    for message in quoted:
        pattern = ".*".join(re.escape(part.strip()) for part in message.split("…"))
        assert any(re.search(pattern, s) for s in strings), message
