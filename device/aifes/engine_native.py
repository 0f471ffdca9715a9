"""The engine in C: the module _aifes, a file _aifes.mpy or a part of the firmware."""
import _aifes


class Engine:
    """Runs whole samples in one call. Only a long one comes back here between two layers."""

    name = "native"

    def __init__(self, buf, plan, arena):
        self._net = _aifes.load(buf, arena)
        self._plan = plan
        self.ram = 120 + 76 * len(plan.ops)  # net_obj_t of modaifes.c, on a 32-bit board

    def forward(self):
        net = self._net
        at = net(0)
        while at:  # a moment for Ctrl-C
            at = net(at)

    def run(self, x, y):
        net = self._net
        at = net(x, y, 0)
        while at > 0:
            at = net(x, y, at)
        if at < 0:
            from .samples import refuse

            refuse(x, y, self._plan)
