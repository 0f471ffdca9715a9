"""Tell from its vibration how a machine is: off, normal, out of balance, or with a bad bearing.

Train with `python vibration_train.py` on the PC: its data are SIMULATED (vibration_simulated.py).
For a real machine record windows of it in each state with `Sensor` and train with those. Then copy
this file, vibration_features.py and vibration.aifes to the board and call main().
"""
import time
from array import array

import aifes
from vibration_features import AXES, FEATURES, SAMPLES, features

SDA, SCL = 4, 5  # pins: Raspberry Pi Pico, I2C 0
ADDRESS = 0x68  # MPU6050
POWER, DATA = 0x6B, 0x3B
SAMPLE_US = 2500  # 400 samples a second


def watch(net, read_window, report, windows):
    """Classify windows; report(class, window's number) is called when the class changes.

    read_window(w) fills w, array('h') of 64 samples of x, y, z. The loop allocates nothing.
    """
    window = array("h", bytes(2 * AXES * SAMPLES))
    x = array("f", bytes(4 * len(FEATURES)))
    y = array("f", bytes(4 * len(net.output)))
    last = -1
    for n in range(windows):
        read_window(window)
        features(window, x)
        net.run(x, y)
        best = 0
        for i in range(1, len(y)):
            if net.output[i] > net.output[best]:  # int8, in the order of the probabilities
                best = i
        if best != last:
            report(best, n)
            last = best


class Sensor:
    """An MPU6050 at +-2 g, for MicroPython. Written after its data sheet, not tried on one."""

    def __init__(self):
        from machine import I2C, Pin

        self._i2c = I2C(0, sda=Pin(SDA), scl=Pin(SCL), freq=400000)
        self._i2c.writeto_mem(ADDRESS, POWER, b"\0")
        self._data = bytearray(2 * AXES)

    def read_window(self, window):
        data = self._data
        start = time.ticks_us()
        for i in range(SAMPLES):
            while time.ticks_diff(time.ticks_us(), start) < SAMPLE_US * i:
                pass
            self._i2c.readfrom_mem_into(ADDRESS, DATA, data)
            for axis in range(AXES):
                high = (data[2 * axis] ^ 128) - 128
                window[AXES * i + axis] = high << 8 | data[2 * axis + 1]


def main():
    net = aifes.load("vibration.aifes")
    labels = net.labels
    watch(net, Sensor().read_window, lambda best, n: print(n, labels[best]), 1 << 30)


if __name__ == "__main__":
    main()
