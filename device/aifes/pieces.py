"""A model larger than the heap: its file is read piece by piece, at each inference.

    header | table | the way in | the way out | pieces          docs/format_pieces.md

A piece is an .aifes model of a few ops of the whole one; all have the same arena, so each finds
there what those before it made. The ways in and out stay in memory, and have one op for each input
and output, which changes nothing: they take and give samples as any model does. The pieces follow
one another in one buffer. Each is checked by an engine once, when it is loaded, and has to be the
same at each reading, by its CRC.
"""
import struct
from binascii import crc32

from .format import INT8, Plan, Tensor, check, frame
from .model import ModelError, _allocate

MAGIC = b"\xa1fep"
VERSION = 1
HEADER = "<4sHHII"  # magic, version, number of pieces, length of the file, CRC of the table
ROW = "<II"  # length of a piece, and the number from which its CRC-32 becomes 0
MAX_PIECES = 1026


class Pieces:
    """What reads such a file, and stands for a net. All of the file has been read once.

    ends: bytes of the ways in and out; plan: of the whole, with offsets in `ends`.
    """

    def __init__(self, path, file):
        self._path = path
        self._file = file
        head = self._part(struct.calcsize(HEADER))
        (_, version, n, length, crc) = struct.unpack(HEADER, head)
        if version != VERSION:
            raise ModelError(f"a model in pieces, format {version}, this runtime reads {VERSION}: "
                             "update aifes on the board or deploy the model again")
        check(2 < n <= MAX_PIECES, "number of pieces")
        table = self._part(struct.calcsize(ROW) * n)
        check(crc32(table) & 0xFFFFFFFF == crc, "CRC")
        rows = [struct.unpack_from(ROW, table, 8 * i) for i in range(n)]
        at = len(head) + len(table)
        check(at + sum([n for n, _ in rows]) == length, "length")
        have = file.seek(0, 2)
        if have < length:
            raise ModelError(f"truncated model, {have} of {length} bytes: copy the file again")
        self._buf = _allocate(bytearray, max([n for n, _ in rows[2:]]), path)
        n = rows[0][0]
        self.ends = _allocate(bytearray, n + rows[1][0], path)
        buf, ends = memoryview(self._buf), memoryview(self.ends)
        places = [ends[:n], ends[n:]] + [buf[:n] for n, _ in rows[2:]]
        self._rows = []  # (where it is read to, where it begins, the number from which ..)
        plans = []
        for i, (n, start) in enumerate(rows):
            self._rows.append((places[i], at, start))
            self._read(i)
            at += n
            plans.append(frame(places[i]))
            check(plans[i].arena == plans[0].arena and plans[i].tensors[0].dtype == INT8, "piece")
        way_in, way_out = plans[:2]
        n = rows[0][0]
        tensors = way_in.tensors[:way_in.n_inputs]
        for t in way_out.tensors[way_out.n_inputs:]:
            tensors.append(Tensor(*(t[:4] + (t.scales and t.scales + n, t.shape))))
        at, meta = way_out.metadata
        self.plan = Plan(way_in.head, length, way_in.arena, way_in.n_inputs, way_out.n_outputs,
                         (n + at, meta), tensors, None, self)

    def _part(self, n):
        """The next n bytes of the file."""
        buf = bytearray(n)
        check(self._file.readinto(buf) == n, "length")
        return buf

    def _read(self, i):
        """Bring a piece to where it is run."""
        view, at, start = self._rows[i]
        try:
            self._file.seek(at)
            n = self._file.readinto(view)
        except OSError as error:
            raise ModelError(f"{self._path} cannot be read ({error}): load it again, or copy it "
                             "again")
        if n != len(view) or crc32(view, start):  # 0: no number is allocated
            raise ModelError(f"{self._path} has changed or is damaged (piece {i}): load it again, "
                             "or copy it again")

    def read_all(self):
        """What an inference reads."""
        for i in range(2, len(self._rows)):
            self._read(i)

    def net(self, make, arena, part):
        """What runs the whole, as an Engine makes it; None if `make`, an Engine, does not."""
        self._nets, self.ram = [], len(self.ends) + len(self._buf)
        for i, (view, _, _) in enumerate(self._rows):
            self._read(i)
            plan = frame(view)
            net = make(view, plan, arena)
            if not net:
                return None
            if i > 1 and hasattr(net, "_io"):
                net._io = None  # no sample goes in or out of it
            self._nets.append(net)
            self.ram += _ram(net, plan)
            if i < 2:  # where the other end of its way lies
                n, far = plan.n_inputs, plan.tensors
                far = tuple([part(arena, t) for t in (far[:n] if i else far[n:])])
                if i:
                    self._outputs = far
                else:
                    self._inputs = far
        return self

    def __call__(self, x, y=None, at=None):
        """Engine's net(x, y, 0) and net(0)."""
        if at is None:
            self._forward()
            return 0
        if not _moved(self._nets[0], x, _single(self._inputs)):
            self._forward()
            return _moved(self._nets[1], _single(self._outputs), y)
        return self._batch(x, y)

    def _forward(self):
        nets = self._nets
        for i in range(2, len(nets)):
            self._read(i)
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


def _ram(net, plan):
    if hasattr(net, "ram"):
        return net.ram
    from .summary import native_ram

    return native_ram(plan)
