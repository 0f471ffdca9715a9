"""What runs a file of pieces (pieces.py): each inference reads them, one after another.

The ways in and out stay in memory. All other pieces go through one buffer. Each is checked by an
engine once, at load, and must be the same, by its CRC, whenever it is read again.
"""
from binascii import crc32

from .model import ModelError


class Reader:
    """An open file. parts: for each piece where it is read to, where it begins in the file, and
    the number from which its CRC-32 becomes 0; ram: bytes that are held."""

    def __init__(self, path, file, parts, ram):
        self._path = path
        self._file = file
        self._parts = parts
        self._held = ram

    def read(self, i):
        """Bring a piece to where it is run."""
        view, at, start = self._parts[i]
        try:
            self._file.seek(at)
            n = self._file.readinto(view)
        except OSError as error:
            raise ModelError(f"{self._path} cannot be read ({error}): load it again, or copy it "
                             "again")
        if n != len(view) or crc32(view, start):  # 0: no number is allocated
            raise ModelError(f"{self._path} has changed or is damaged, piece {i}: load it again, "
                             "or copy it again")

    def read_all(self):
        """What an inference reads."""
        for i in range(2, len(self._parts)):
            self.read(i)

    def net(self, make, arena, part):
        """What runs the whole, as an Engine makes it; None if `make`, an Engine, does not."""
        from .format import frame  # not kept: forget()
        from .summary import native_ram

        self._nets, self.ram = [], self._held
        for i, (view, _, _) in enumerate(self._parts):
            self.read(i)
            plan = frame(view)
            net = make(view, plan, arena)
            if not net:
                return None
            if i > 1 and hasattr(net, "_io"):
                net._io = None  # no sample goes in or out of it
            self._nets.append(net)
            self.ram += net.ram if hasattr(net, "ram") else native_ram(plan)
            n = plan.n_inputs
            if i == 0:  # the other end of each way
                self._inputs = tuple([part(arena, t) for t in plan.tensors[n:]])
            elif i == 1:
                self._outputs = tuple([part(arena, t) for t in plan.tensors[:n]])
        return self

    def __call__(self, x, y=None, at=None):
        """Engine's net(x, y, 0) and net(0)."""
        if at is None:
            self._forward()
            return 0
        if _moved(self._nets[0], x, _single(self._inputs)):
            return self._batch(x, y)
        self._forward()
        return _moved(self._nets[1], _single(self._outputs), y)

    def _forward(self):
        nets = self._nets
        for i in range(2, len(nets)):
            self.read(i)
            net = nets[i]
            at = net(0)
            while at:
                at = net(at)

    def _batch(self, x, y):
        """Several samples, one after another; -1 if they do not fit."""
        try:
            views, sizes, n = [], [], len(self._inputs)
            for given, inner in ((x, self._inputs), (y, self._outputs)):
                views += [memoryview(v) for v in (given if len(inner) > 1 else (given,))]
                sizes += [len(v) for v in inner]
            count = len(views[0]) // sizes[0]
            if count < 2 or [len(v) for v in views] != [count * k for k in sizes]:
                return -1
        except TypeError:
            return -1
        for i in range(count):
            ends = tuple([v[i * k:(i + 1) * k] for v, k in zip(views, sizes)])
            if self(_single(ends[:n]), _single(ends[n:]), 0):
                return -1
        return 0

    def __del__(self):  # on a PC; boards close what is collected
        self._file.close()


def _single(ends):
    return ends if len(ends) > 1 else ends[0]


def _moved(net, x, y):
    at = net(x, y, 0)
    while at > 0:
        at = net(x, y, at)
    return at
