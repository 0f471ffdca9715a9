# Frozen into the firmware, runs at each reset: a file system in RAM that the linker and the heap
# leave alone, so that files outlive a soft reset as they do in flash.
# ruff: noqa: F821
import sys

import uctypes
import vfs


class Disk:
    SIZE = 1 << 21
    BLOCK = 4096
    PLACES = {"microbit": 0x20040000, "mps2-an500": 0x60000000, "mps2-an505": 0x80000000,
              "virt": 0x84000000, "lx60": 0x01000000}

    def __init__(self):
        place = self.PLACES.get(sys.implementation._machine.split()[0], 0x21000000)
        self.data = memoryview(uctypes.bytearray_at(place, self.SIZE))

    def readblocks(self, block, buffer, offset=0):
        start = block * self.BLOCK + offset
        buffer[:] = self.data[start:start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        start = block * self.BLOCK + offset
        self.data[start:start + len(buffer)] = buffer

    def ioctl(self, operation, _):
        if operation == 4:
            return self.SIZE // self.BLOCK
        if operation == 5:
            return self.BLOCK
        return 0


try:
    disk = vfs.VfsLfs2(Disk())
except OSError:
    vfs.VfsLfs2.mkfs(Disk())
    disk = vfs.VfsLfs2(Disk())
vfs.mount(disk, "/")
sys.path.append("/lib")
del Disk, disk, sys, uctypes, vfs  # the prompt starts empty
