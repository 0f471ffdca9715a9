"""Read 500 damaged copies of a Keras file; run by test_keras_files.py in a process of its own.

    python hostile_keras.py FILE FOLDER    prints how many were taken and how many refused
"""
import faulthandler
import io
import resource
import sys
import time
import zipfile
from pathlib import Path

from aifes_host import ConversionError, read_network
from mutate import mutations

MEMORY = 1 << 29  # that reading may take, above what the process has taken before


def copies(source):
    """Damage that reaches the parsers: inside of the members of a .keras, their CRC made anew."""
    data = source.read_bytes()
    if source.suffix != ".keras":
        yield from mutations(data, 500)
        return
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    yield from mutations(data, 50)
    for name, count in (("model.weights.h5", 250), ("config.json", 180), ("metadata.json", 20)):
        for damaged in mutations(members[name], count):
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w") as archive:
                for other, content in members.items():
                    archive.writestr(other, damaged if other == name else content)
            yield file.getvalue()


def peak():
    """The most memory that the process has used: HDF5 asks for more, but fills what is there."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(source, folder):
    faulthandler.enable()
    read_network(str(source))  # imports what it needs before memory is bounded
    before = peak()
    resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33))  # for the machine's sake
    path = folder / f"damaged{source.suffix}"
    whole = refused = 0
    for number, data in enumerate(copies(source)):
        path.write_bytes(data)
        begin = time.process_time()
        try:
            read_network(str(path))
            whole += 1
        except ConversionError as error:
            assert "\n" not in str(error), (number, error)
            refused += 1
        assert time.process_time() - begin < 5, f"copy {number} took too long"
        assert peak() < before + MEMORY, f"copy {number} took {peak() - before} bytes"
    print(whole, refused)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
