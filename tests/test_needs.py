"""The set-up of a machine (needs.py) with an apt-get that is none, and without one."""
import os
import re
import subprocess
import sys
from pathlib import Path

import needs
import pytest
from boards.start import TOOLS

SCRIPT = Path(needs.__file__)
ROOT = SCRIPT.parents[1]
APT = """#!/bin/sh
here=${0%/*}
echo "$@" >>"$here/calls"
case "$*" in
*--assume-no*chromium*) echo "E: Unable to locate package chromium"; exit 100 ;;
*--assume-no*) echo "0 upgraded, 9 newly installed, 0 to remove and 0 not upgraded."
    echo "Need to get 1,234 kB/972 MB of archives."
    echo "After this operation, 5,319 MB of additional disk space will be used."; exit 1 ;;
esac
[ -e "$here/free" ] || { : >"$here/free"; echo "E: Could not get lock /var/lib/.."; exit 100; }
case "$*" in *install*) cp "$here/true" "$here/cmake"; cp "$here/true" "$here/node" ;; esac
"""


@pytest.fixture
def machine(tmp_path):
    """Function that sets up a machine with nothing but the programs named: (code, output)."""
    (tmp_path / "true").write_text("#!/bin/sh\n")
    (tmp_path / "true").chmod(0o755)

    def run(target, programs=(), **env):
        for name, text in programs:
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        for name in ("env", "cp"):
            if not (tmp_path / name).exists():
                (tmp_path / name).symlink_to(f"/usr/bin/{name}")
        env = {"PATH": str(tmp_path), **env}
        done = subprocess.run([sys.executable, SCRIPT, target], env=env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        assert not done.stderr
        return done.returncode, done.stdout

    return run


def test_without_apt_it_lists_and_goes_on(machine):
    code, said = machine("test")
    assert code == 0 and said.startswith("there is no apt-get here: to be installed by hand\n")
    for tool in needs.TOOLS:
        named = needs.why_missing(tool.name) in said.splitlines()
        assert named or "test" not in tool.targets.split() or tool.name in ("venv", "debian")
    assert ("npm is missing (Debian: npm), left out: the emulated Pico\n") in said
    assert machine("test", CI="true")[0] == 1
    assert machine("fuzz")[0] == 1  # of which nothing would be left
    assert machine("demo") == (0, "")  # needs no tool


def test_apt_says_the_size_waits_and_leaves_out_what_it_does_not_have(machine, tmp_path):
    sudo = '#!/bin/sh\n[ "$1" != -n ] || shift\nexec "$@"\n'
    code, said = machine("boards", [("apt-get", APT), ("sudo", sudo)])
    lines = said.splitlines()
    assert lines[0].startswith("another apt is at work here")
    assert lines[1].startswith("installing gcc, libc6-dev, patch, ")
    assert lines[1].endswith(": 1,234 kB to download, 5,319 MB of disk")
    assert code == 0 and "cmake is missing" not in said and "npm is missing" in said
    code, said = machine("test")
    (last,) = [c for c in (tmp_path / "calls").read_text().splitlines() if "-qqy" in c][1:]
    assert "npm" in last and "chromium" not in last and "cmake" not in last
    assert code == 0 and "chromium is missing (Debian: chromium), left out: the report" in said


@pytest.mark.parametrize("sudo, why", [
    (None, "you are not root and there is no sudo"),
    ("exit 1", "you are not root and sudo refuses"), ("exit 0", None)])
def test_not_root(sudo, why, machine, tmp_path, monkeypatch):
    machine("demo", [("apt-get", APT)] + ([("sudo", f"#!/bin/sh\n{sudo}\n")] if sudo else []))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "stdin", open(os.devnull))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert needs.Apt().refused == why


def test_sizes_as_apt_writes_them():
    assert needs.size("Need to get 27.2 MB/33.0 MB of archives.\nAfter this operation, 145 MB of "
                      "additional disk space will be used.") == (
        "27.2 MB to download, 145 MB of disk")
    assert needs.size("Need to get 0 B/33.0 MB of archives.\n") == "0 B to download, 0 B of disk"


def test_the_list_has_all_that_is_asked_for():
    """Each board's tools and each target of the Makefile that has any."""
    assert {t for tools in TOOLS.values() for t in tools} <= set(needs.BY_NAME)
    makefile = (ROOT / "Makefile").read_text()
    asked = set(re.findall(r"tools-(\w+)", makefile))
    assert asked == {t for tool in needs.TOOLS for t in tool.targets.split()}
    for text in ((ROOT / ".ci" / "run").read_text(), makefile):  # no second list
        assert not re.search(r"arm-none-eabi|qemu-system|ninja", text)
