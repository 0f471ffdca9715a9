"""Reads damaged network files in a process of its own, with little memory: python damaged.py FOLDER

Prints how many of them were read and how many were refused in one sentence; anything else is a
failure.
"""
import resource
import subprocess
import sys
import warnings
from pathlib import Path

MEMORY = 600 << 20  # beyond what the libraries take


def outcomes(folder, timeout=300):
    """(read, refused, the sentences) of all files in the folder; raises what went wrong."""
    done = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, text=True,
                          timeout=timeout)
    assert done.returncode == 0 and not done.stderr, done.stdout[-500:] + done.stderr[-3000:]
    said = done.stdout.splitlines()
    return said.count("read"), len(said) - said.count("read"), [s for s in said if s != "read"]


def main(folder):
    from aifes_host import ConversionError, read_network
    from aifes_host.importers import onnx, pt2  # noqa: F401  their libraries before the limit

    warnings.simplefilter("error")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".onnx", ".pt2"):
            continue
        try:
            read_network(str(path))
            print("read")
        except ConversionError as error:
            text = str(error)
            assert text and "\n" not in text, repr(text)
            print(text)
        except Exception as error:
            error.add_note(f"of {path}")
            raise


if __name__ == "__main__":
    main(Path(sys.argv[1]))
