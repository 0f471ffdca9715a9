"""Let the simulated robot follow its line and print the result as one line of JSON.

    micropython line_demo.py line.aifes       (MICROPYPATH: the folders device and device/examples)
"""
import json
import math
import sys

import aifes
from line_follower import follow
from robot_simulated import LINE_WIDTH, Robot

STEPS = 1000  # the whole line takes less than half of them


def run(net, steps=STEPS, seed=1):
    """One drive: a dict of what happened, in cm and s. seed: of the sensor's noise."""
    robot = Robot(steps, seed)
    done = follow(net, robot, steps)
    path = [(round(robot.x_path[i], 3), round(robot.y_path[i], 3)) for i in range(done)]
    length = sum([math.sqrt((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2)
                  for a, b in zip(path, path[1:])])
    distance = [abs(robot.edge[i]) for i in range(done)]
    on_line = max(distance) < LINE_WIDTH  # beyond, it would be at the other edge or far off
    at_mark = robot.at_mark() and done < steps
    return {"steps": done, "seconds": robot.time, "length": length,
            "mean_distance": sum(distance) / len(distance), "max_distance": max(distance),
            "on_line": on_line, "at_mark": at_mark, "success": on_line and at_mark,
            "engine": net.engine, "path": path,
            "pose": (robot.x, robot.y, robot.heading),
            "interpreter": interpreter()}


def interpreter():
    """Name and version of what runs this."""
    return "{} {}.{}".format(sys.implementation.name, *sys.implementation.version[:2])


if __name__ == "__main__":
    print(json.dumps(run(aifes.load(sys.argv[1]))))
