"""A machine that is only simulated: windows of an accelerometer for four states.

Not measured anywhere: a sine at the rotation's frequency (20 to 40 Hz), strong if out of balance,
short bursts that fade for a bad bearing, noise, and gravity from any direction. A real machine has
more to say. Integers only: the same numbers on every interpreter, nothing is allocated.
"""
from array import array

from vibration_features import AXES, SAMPLES

STATES = ("off", "normal", "unbalance", "bearing")
ONE_G = 16384  # counts of a sensor with +-2 g
RATE = 400  # samples a second
SINE = array("h", (0, 25, 50, 74, 98, 121, 142, 162, 181, 198, 213, 226, 237, 245, 251, 255))


class Machine:
    """read_window(w) as vibration.watch() wants it; state: that of the last window."""

    def __init__(self, seed=1):
        self.state = 0
        self._gravity = array("h", (0, 0, 0))
        self._random = seed * 7919 % 65537 or 1

    def _between(self, low, high):
        self._random = (self._random * 75 + 74) % 65537
        return low + self._random % (high - low + 1)

    def read_window(self, window):
        """Fill window, array('h') of 64 samples of x, y, z, in a state by chance."""
        self.state = state = self._between(0, 3)
        step = self._between(20, 40) * 64 * 64 // RATE  # of the phase, 4096 a turn
        phase = self._between(0, 4095)
        noise = self._between(40, 90) if state == 0 else self._between(80, 200)
        swing = 0
        if state:
            swing = self._between(900, 3000) if state == 2 else self._between(200, 500)
        burst, age = self._between(1500, 4000), self._between(0, 12)
        period = self._between(9, 16)
        for axis in range(AXES):
            self._gravity[axis] = self._between(-ONE_G // 2, ONE_G // 2)
        for i in range(SAMPLES):
            value = swing * sine(phase) // 256
            phase += step
            if state == 3:
                age += 1
                if age >= period:
                    age = 0
                ring = burst >> age
                value += ring if age & 1 else -ring
            for axis in range(AXES):
                window[AXES * i + axis] = (self._gravity[axis] + (value >> axis)
                                           + self._between(-noise, noise))


def sine(phase):
    """256 * sin of a phase of 4096 a turn."""
    quarter, at = phase >> 10 & 3, phase >> 6 & 15
    value = SINE[15 - at if quarter & 1 else at]
    return -value if quarter & 2 else value
