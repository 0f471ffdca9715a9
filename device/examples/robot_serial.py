"""The robot whose world runs on a computer: colors come and motor values go over the serial line.

To try a network on the real board before there is a robot: tests/bench/control_loop.py is the
computer's side. While it runs Ctrl-C is off, for the bytes of a color may be one.
"""
import sys

import micropython


class Robot:
    """read_color(x) and drive(y), as line_follower.follow() wants them. Allocates nothing."""

    def __init__(self):
        micropython.kbd_intr(-1)
        self._in = sys.stdin.buffer
        self._out = sys.stdout.buffer

    def read_color(self, x):
        """Wait for red, green, blue: 3 float32, little-endian."""
        self._in.readinto(x)

    def drive(self, y):
        """Send the speeds of the two wheels, 2 float32: an answer to each color."""
        self._out.write(y)
