"""The README's Python snippets work when pasted, one after another, in one folder."""
import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_snippets(tmp_path):
    snippets = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(snippets) == 3
    for code in snippets:
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path,
                              capture_output=True, text=True)
        assert done.returncode == 0, code + done.stderr
        assert done.stdout


def test_map_names_what_exists():
    root = Path(__file__).parents[1]
    for folder, text in re.findall(r"^\| `([\w/]+/)` \| (.*) \|$", README, re.M):
        assert (root / folder).is_dir(), folder
        for name in re.findall(r"`(\w+(?:\.\w+|/))`", text):
            assert (root / folder / name).exists(), folder + name
