"""The robot in a simulated world, with the interface of robot_board.Robot. Units: cm, s, radians.

x goes right, y goes up, a heading of 0 looks along x. Plain Python for CPython and MicroPython.
"""
import math
from array import array

PAPER = (59.4, 42.0)  # width, height: A2
LINE_WIDTH = 2.0
START = (3.0, 6.0, 0.0)  # where the line begins: x, y, heading
TRACK = ((33.0, 0.0), (7.5 * math.pi, 1 / 7.5), (12.0, 0.0), (7.0 * math.pi, -1 / 7.0),
         (26.0, 0.0))  # pieces of the line: length, curvature (left is positive)
MARK_RADIUS = 3.0  # of the red disc on the line's end
FAR = 100.0  # distance from the edge where there is no line

BLACK, WHITE, RED = (0.05, 0.05, 0.05), (0.95, 0.95, 0.95), (0.9, 0.1, 0.1)
NOISE = 0.02  # largest error of a color channel
SPOT_RADIUS = 0.4  # what the sensor sees: the centre and six points around it
SPOT = ((0.0, 0.0),) + tuple([(SPOT_RADIUS * math.cos(i * math.pi / 3),
                               SPOT_RADIUS * math.sin(i * math.pi / 3)) for i in range(6)])

WHEEL_BASE = 8.0
SENSOR_AHEAD = 5.0  # of the axle
FULL_SPEED = 24.0  # cm/s of a wheel at 1.0
MOTOR_LAG = 0.12  # s, time constant of a wheel's speed
TIME_STEP = 0.025  # s, one measurement of the sensor


def move(x, y, heading, length, curvature):
    """The pose at the end of an arc (or a straight piece) that starts at a pose."""
    turn = length * curvature
    if abs(turn) < 1e-9:
        return x + length * math.cos(heading), y + length * math.sin(heading), heading
    r = 1 / curvature
    end = heading + turn
    return (x + r * (math.sin(end) - math.sin(heading)),
            y - r * (math.cos(end) - math.cos(heading)), end)


def poses():
    """Where the pieces of the track begin, and where the last one ends."""
    found = [START]
    for length, curvature in TRACK:
        found.append(move(*found[-1], length, curvature))
    return found


POSES = poses()
END = POSES[-1]


def across(x, y):
    """Distance from the middle of the line, right of it positive; FAR off the line's ends."""
    best = FAR
    for (x0, y0, heading), (length, curvature) in zip(POSES, TRACK):
        c, s = math.cos(heading), math.sin(heading)
        ahead = (x - x0) * c + (y - y0) * s
        right = (x - x0) * s - (y - y0) * c
        if curvature:
            r = 1 / curvature
            side = 1 if r > 0 else -1
            along = math.atan2(ahead, side * (r + right)) % (2 * math.pi) * abs(r)
            right = side * math.sqrt(ahead * ahead + (r + right) * (r + right)) - r
        else:
            along = ahead
        if 0 <= along <= length and abs(right) < abs(best):
            best = right
    return best


def color(x, y):
    """Red, green, blue of one point of the paper."""
    if math.sqrt((x - END[0]) ** 2 + (y - END[1]) ** 2) < MARK_RADIUS:
        return RED
    return BLACK if abs(across(x, y)) < LINE_WIDTH / 2 else WHITE


class Robot:
    """A differential drive.

    done: colors read; x_path, y_path: where the sensor was each time; edge: its distance from
    the line's right edge. steps: room in these arrays (lists that grow break up a small heap).
    """

    def __init__(self, steps, seed=1):
        self.time = 0.0
        self.left = self.right = 0.0  # cm/s
        # the sensor begins over the line's right edge, a little ahead of the line's begin
        self.x, self.y, self.heading = START[0] - 2.0, START[1] - LINE_WIDTH / 2, START[2]
        self.done = 0
        self.x_path = array("f", bytes(4 * steps))
        self.y_path = array("f", bytes(4 * steps))
        self.edge = array("f", bytes(4 * steps))
        self._random = seed

    def sensor(self):
        """x, y of the color sensor."""
        return (self.x + SENSOR_AHEAD * math.cos(self.heading),
                self.y + SENSOR_AHEAD * math.sin(self.heading))

    def at_mark(self):
        """Whether the sensor is over the red mark."""
        return color(*self.sensor()) == RED

    def read_color(self, x):
        """Fill x with red, green, blue: the mean of the spot and some noise."""
        sx, sy = self.sensor()
        self.x_path[self.done] = sx
        self.y_path[self.done] = sy
        self.edge[self.done] = across(sx, sy) - LINE_WIDTH / 2
        self.done += 1
        spot = [color(sx + dx, sy + dy) for dx, dy in SPOT]
        for i in range(3):
            x[i] = sum([c[i] for c in spot]) / len(spot) + NOISE * self._noise()

    def drive(self, y):
        """Move for one time step. y: wanted speeds of the left and the right wheel, 0..1."""
        keep = math.exp(-TIME_STEP / MOTOR_LAG)
        self.left += (1 - keep) * (y[0] * FULL_SPEED - self.left)
        self.right += (1 - keep) * (y[1] * FULL_SPEED - self.right)
        speed = (self.left + self.right) / 2
        turn = (self.right - self.left) / WHEEL_BASE  # rad/s
        length = speed * TIME_STEP
        self.x, self.y, self.heading = move(self.x, self.y, self.heading, length,
                                            turn / speed if speed else 0.0)
        self.time += TIME_STEP

    def _noise(self):
        """-1..1 from a linear congruential generator, the same on every interpreter."""
        self._random = (self._random * 1103515245 + 12345) % 2147483648
        return self._random / 1073741824 - 1
