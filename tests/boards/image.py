"""A file system as a board's flash holds it, made here: no serial line is as fast."""
import posixpath

import littlefs

BLOCK = 4096


def littlefs2(files, size):
    """The bytes of a file system with these files: {absolute path: contents}."""
    disk = littlefs.LittleFS(block_size=BLOCK, block_count=size // BLOCK, disk_version=0x20000)
    for path, contents in files.items():
        disk.makedirs(posixpath.dirname(path), exist_ok=True)
        with disk.open(path, "wb") as file:
            file.write(contents)
    return bytes(disk.context.buffer)
