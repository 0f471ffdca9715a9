"""What `make` needs on this machine: all tools and packages, in one list, and their installation.

    python3 needs.py TARGET       the tools of `make TARGET`, by apt; what cannot be had is listed
    python3 needs.py venv DIR     Python packages: a new environment with what `make demo` needs
    python3 needs.py tests DIR    .. and with what the tests need beside it

Runs before anything is installed: Python's own library alone. The tests ask `missing`.
"""
import collections
import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time

Tool = collections.namedtuple("Tool", "name packages targets without check source",
                              defaults=((), "#include <stdlib.h>\n"))
ALL = "native boards bench test"
VENV = f"python3.{sys.version_info[1]}-venv"  # Debian's python3 lacks what makes an environment
FUZZ = "#include <stdlib.h>\nint LLVMFuzzerTestOneInput(const char *p, size_t n) { return 0; }\n"
# name: the command, where there is one; packages: Debian's; without: what is left out without it;
# check: a command that reads `source` and fails where a library is missing
TOOLS = [
    Tool("venv", VENV, f"demo {ALL}", "everything"),
    Tool("gcc", "gcc libc6-dev", ALL, "the engine in C on this PC",
         ("gcc", "-xc", "-E", "-")),
    Tool("patch", "patch", "boards bench test", "emulated boards"),
    Tool("xz", "xz-utils", ALL, "MicroPython's sources: the engine in C, all boards"),
    Tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi", ALL,
         "the engine in C on ARM, emulated ARM chips and boards",
         ("arm-none-eabi-gcc", "-xc", "-E", "-")),
    Tool("riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf", ALL,
         "the engine in C on RISC-V, the emulated board rv32",
         ("riscv64-unknown-elf-gcc", "--specs=picolibc.specs", "-xc", "-E", "-")),
    Tool("xtensa-lx106-elf-gcc", "gcc-xtensa-lx106 picolibc-xtensa-lx106-elf", "native test",
         "the engine in C on ESP8266", ("xtensa-lx106-elf-gcc", "-xc", "-E", "-")),
    Tool("xtensa-lx106-elf-ld", "binutils-xtensa-lx106", "boards bench test",
         "the emulated board esp32-class"),
    Tool("arm-none-eabi-g++", "libstdc++-arm-none-eabi-newlib", "boards bench test",
         "the emulated Pico", ("arm-none-eabi-g++", "-xc++", "-E", "-"), "#include <cstdlib>\n"),
    Tool("cmake", "cmake", "boards bench test", "the emulated Pico"),
    Tool("ninja", "ninja-build", "boards bench test", "the emulated Pico"),
    Tool("node", "nodejs", "boards bench test", "the emulated Pico"),
    Tool("npm", "npm", "boards bench test", "the emulated Pico"),
    Tool("qemu-system-arm", "qemu-system-arm", "boards bench test", "emulated ARM boards"),
    Tool("qemu-system-riscv32", "qemu-system-misc", "boards bench test", "the board rv32"),
    Tool("qemu-system-xtensa", "qemu-system-misc", "boards bench test", "the board esp32-class"),
    Tool("chromium", "chromium", "test", "the report in a browser"),
    Tool("clang", "clang libclang-rt-dev", "fuzz", "fuzzing",
         ("clang", "-fsanitize=fuzzer,address", "-xc", "-", "-o", os.devnull), FUZZ),
    Tool("debian", "", "native boards bench test", "the emulated Pico, the engine in C on ESP32"),
]
BY_NAME = {tool.name: tool for tool in TOOLS}
PARTIAL = ("boards", "bench", "test")  # these go on with what is there
FRAMEWORKS = "PyTorch, Keras, onnxscript"
TENSORFLOW = "tensorflow-cpu>=2.16"  # tests/bench/tflite.py alone


def debian():
    """Whether packages of Debian can be fetched here, as the builds of the Pico and ESP32 do."""
    if not os.path.isfile("/usr/share/keyrings/debian-archive-keyring.gpg"):
        return False
    if not all(map(shutil.which, ("apt-get", "apt-cache", "dpkg-deb"))):
        return False
    for folder, _, names in os.walk("/etc/apt"):
        for name in names:
            if name.endswith((".list", ".sources")):
                with open(os.path.join(folder, name)) as file:
                    if re.search(r"^[^#\n]*[a-z+]+://[^ \n]+/debian/?( |$)", file.read(), re.M):
                        return True
    return False


@functools.lru_cache(None)
def missing(name):
    """Whether this tool of the list, or a library that it needs, is missing."""
    tool = BY_NAME[name]
    if name == "venv":
        return importlib.util.find_spec("ensurepip") is None
    if name == "debian":
        return not debian()
    if not shutil.which(name):
        return True
    return bool(tool.check) and subprocess.run(
        tool.check, input=tool.source, universal_newlines=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL).returncode != 0


def why_missing(name):
    """One line: what is missing, where Debian has it, what is left out."""
    tool = BY_NAME[name]
    if name == "debian":
        what = "this is not Debian, whose mirror has the sources"
    else:
        what = f"{name} is missing (Debian: {', '.join(tool.packages.split())})"
    return f"{what}, left out: {tool.without}"


def say(*words):
    print(*words, flush=True)


class Apt:
    """apt-get, as root; `refused`: why it cannot be used here, None if it can."""

    def __init__(self):
        self.refused, self.sudo = None, []
        if not shutil.which("apt-get"):
            self.refused = "there is no apt-get here"
        elif os.geteuid() != 0:
            self.sudo = ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]
            if not shutil.which("sudo"):
                self.refused = "you are not root and there is no sudo"
            elif subprocess.run(self.sudo + ["true"], stderr=subprocess.DEVNULL).returncode:
                self.refused = "you are not root and sudo refuses"

    def run(self, *words, seconds=900):
        """Whether it succeeded; waits while another apt is at work."""
        command = [*self.sudo, "env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "apt-get",
                   *words]
        end, told = time.monotonic() + seconds, False
        while True:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, universal_newlines=True)
            busy = "Could not get lock" in done.stdout or "Unable to lock" in done.stdout
            if not done.returncode or not busy or time.monotonic() > end:
                break
            if not told:
                say("another apt is at work here: waiting for it, 15 minutes at most")
            told = True
            time.sleep(5)
        if done.returncode:
            say("\n".join(done.stdout.splitlines()[-15:]))
        return done.returncode == 0

    @staticmethod
    def plan(packages):
        """What apt says that it would do; None if it cannot."""
        said = subprocess.run(
            ["apt-get", "install", "--assume-no", "--no-install-recommends",
             "-o", "Debug::NoLocking=1", *packages], env=dict(os.environ, LC_ALL="C"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            universal_newlines=True).stdout
        return said if "newly installed" in said and "\nE: " not in "\n" + said else None


def size(plan):
    """What is to be downloaded, and what it takes on the disk, as apt writes them."""
    load = re.search(r"Need to get ([\d.,]+ \w+)", plan)
    disk = re.search(r"After this operation, ([\d.,]+ \w+) of additional disk space", plan)
    return f"{load[1] if load else '0 B'} to download, {disk[1] if disk else '0 B'} of disk"


def install(tools):
    """By apt, all that it has of them."""
    apt = Apt()
    if apt.refused:
        say(f"{apt.refused}: to be installed by hand")
        return
    if not apt.run("update", "-qq"):
        say("apt-get update failed: trying with what apt knows")
    packages = [p for tool in tools for p in tool.packages.split()]
    plan = apt.plan(packages)
    if not plan:  # one that this system does not have must not keep out the others
        packages = [p for tool in tools if apt.plan(tool.packages.split())
                    for p in tool.packages.split()]
        plan = packages and apt.plan(packages)
    if plan:
        say(f"installing {', '.join(packages)}: {size(plan)}")
        apt.run("install", "-qqy", "--no-install-recommends", *packages)


def tools(target):
    """Install what `make target` lacks, list what cannot be had."""
    lacking = [t for t in TOOLS if target in t.targets.split() and missing(t.name)]
    if not lacking:
        return
    if any(t.packages for t in lacking):
        install([t for t in lacking if t.packages])
        missing.cache_clear()
        importlib.invalidate_caches()
    lacking = [t.name for t in lacking if missing(t.name)]
    for name in lacking:
        say(why_missing(name))
    if lacking and ("CI" in os.environ or target not in PARTIAL or "venv" in lacking):
        sys.exit(1)


def pip(folder, *what):
    """pip install; says the large ones. Whether it succeeded."""
    command = [f"{folder}/bin/python", "-m", "pip", "install", "--no-compile", "--progress-bar=off",
               "--disable-pip-version-check", *what]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True) as process:
        for line in process.stdout:
            lines.append(line)
            found = re.match(r"\s*(?:Downloading|Using cached) ([^- ]+)\S* \((\d\d.* MB|.* GB)\)",
                             line)
            if found:
                say(f"    {found[1].rpartition('/')[2]}, {found[2]}")
    if process.returncode:
        say("".join(lines[-15:]))
    return process.returncode == 0


def used(folder):
    return subprocess.run(["du", "-sh", folder], stdout=subprocess.PIPE,
                          universal_newlines=True).stdout.split()[0] + "B"


def new_environment(folder):
    """For `make demo` and what needs as little. Begins anew: an interrupted one is of no use."""
    say(f"setting up {folder} with numpy, matplotlib and MicroPython (once, a minute or two)")
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    if not pip(folder, "-e", ".[make]"):
        sys.exit(1)
    say(f"{folder} takes {used(folder)} of disk")


def test_environment(folder):
    """The rest, for the tests; of the large frameworks the tests can do without."""
    say(f"adding to {folder} what the tests need: {FRAMEWORKS} and others (once, minutes)")
    if not pip(folder, "-e", ".[test,frameworks]"):
        if "CI" in os.environ or not pip(folder, "-e", ".[test]"):
            sys.exit(1)
        say(f"left out: the tests with {FRAMEWORKS}")
    say(f"{folder} takes {used(folder)} of disk")


def tensorflow(cache):
    """The Python of an environment with TensorFlow alone, in the folder `cache`; made if it is not
    there, None if it cannot be had."""
    folder = os.path.join(cache, "venv-" + re.sub(r"\W+", "-", TENSORFLOW))
    ready = os.path.join(folder, ".ready")
    if not os.path.exists(ready):
        say(f"setting up {folder} with TensorFlow: 270 MB to download, 1.5 GB of disk (once)")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        if not pip(folder, TENSORFLOW):
            if "CI" in os.environ:
                sys.exit(1)
            return None
        say(f"{folder} takes {used(folder)} of disk")
        open(ready, "w").close()
    return os.path.join(folder, "bin", "python")


if __name__ == "__main__":
    if sys.version_info < (3, 10):
        sys.exit("Python 3.10 or newer is needed: make PYTHON=python3.11 ..")
    try:
        if sys.argv[1] == "venv":
            new_environment(sys.argv[2])
        elif sys.argv[1] == "tests":
            test_environment(sys.argv[2])
        else:
            tools(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError as e:
        sys.exit(str(e))
