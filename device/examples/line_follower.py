"""Follow the edge of a black line on white paper up to a red mark: the AIfES tutorial's robot.

A network turns the color under the robot into two wheel speeds: on black it turns right, on white
it turns left, on red it stops. Copy this file, robot_board.py and line.aifes (`make demo` writes
it into demo/) to the board and call main().
"""
import math
from array import array

import aifes

STILL = 4  # results in a row with both motors below OFF that mean: we have arrived
OFF = 0.2  # wheel speed of 0..1; on the edge itself both can be near 0.4, which is no stop


def follow(net, robot, steps):
    """Drive until the network keeps both motors off, at most `steps` steps; returns steps done.

    The loop allocates nothing, if the robot does not.
    robot: read_color(x) fills x with red, green, blue of 0..1; drive(y) takes y, the speeds of the
        left and the right wheel, 0..1. Both arrays are made once. The motors are off afterwards.
    """
    x = array("f", (0, 0, 0))
    y = array("f", (0, 0))
    # compared as the integers of net.output: y[0] would make a float object in each step
    off = net.output_zero_point + math.ceil(OFF / net.output_scale)
    still = done = 0
    try:
        while done < steps and still < STILL:
            robot.read_color(x)
            net.run(x, y)
            robot.drive(y)
            still = still + 1 if net.output[0] < off and net.output[1] < off else 0
            done += 1
    finally:  # also after Ctrl-C or a loose sensor wire
        y[0] = y[1] = 0
        robot.drive(y)
    return done


def main():
    from robot_board import Robot

    net = aifes.load("line.aifes")
    print("stopped after", follow(net, Robot(), 10000), "steps")


if __name__ == "__main__":
    main()
