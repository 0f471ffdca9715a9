"""Draw the simulated robot's drive: paper, line, red mark, path and a closer look at one bend."""
import math
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.patches import Circle, Polygon, Rectangle  # noqa: E402

INK, RED, PATH, START = "#222222", "#d62728", "#ff7f0e", "#2ca02c"
STEP = 0.25  # cm between the drawn line's points


def draw(run, filename, examples, description=""):
    """Write a PNG of a drive, a dict of line_demo.run(); examples: the folder of the world."""
    sys.path.insert(0, str(examples))
    import robot_simulated as world

    figure, (sheet, close) = plt.subplots(1, 2, figsize=(13, 6.6), width_ratios=(2, 1),
                                          layout="constrained")
    figure.set_facecolor("#f4f1ea")
    for axes in (sheet, close):
        _world(axes, world)
        x, y = zip(*run["path"])
        axes.plot(x, y, color=PATH, lw=1.8, label="path of the color sensor", zorder=4)
        axes.plot(x[0], y[0], "o", color=START, ms=11, mec="white", label="start", zorder=6)
        axes.plot(x[-1], y[-1], "s", color="#1f77b4", ms=10, mec="white", label="stop", zorder=6)
        axes.set_aspect("equal")
        axes.set_xlabel("x in cm")
        axes.set_ylabel("y in cm")
    _robot(sheet, world, run["pose"])
    width, height = world.PAPER
    sheet.set(xlim=(-2, width + 2), ylim=(-2, height + 2))
    sheet.set_title(f"{run['length']:.0f} cm in {run['seconds']:.0f} s ({run['interpreter']}); "
                    f"{run['mean_distance'] * 10:.0f} mm from the edge on average, "
                    f"at most {run['max_distance'] * 10:.0f} mm")
    figure.legend(*sheet.get_legend_handles_labels(), loc="lower center", ncols=6,
                  frameon=False, fontsize=11)
    figure.get_layout_engine().set(rect=(0, 0.06, 1, 0.94))  # room for the legend
    x, y, _ = world.POSES[1]
    corner, width, height = (x, y - 3), 10.5, 14
    close.set(xlim=(corner[0], corner[0] + width), ylim=(corner[1], corner[1] + height))
    close.set_title("A closer look at the first bend")
    sheet.add_patch(Rectangle(corner, width, height, fill=False, ls="--", ec="#777777", zorder=5))
    figure.suptitle("A 3-3-2 int8 network follows the right edge of a line up to the red mark",
                    fontsize=15, weight="bold")
    figure.savefig(filename, dpi=110, metadata={"Description": description})
    plt.close(figure)


def _world(axes, world):
    axes.set_facecolor("#e3ddd0")
    axes.add_patch(Rectangle((0, 0), *world.PAPER, fc="white", ec="#bbbbbb", zorder=0))
    left, right = [], []
    for pose, (length, curvature) in zip(world.POSES, world.TRACK):
        n = max(1, round(length / STEP))
        for i in range(n + 1):
            x, y, heading = world.move(*pose, length * i / n, curvature)
            dx, dy = (world.LINE_WIDTH / 2 * f(heading) for f in (math.sin, math.cos))
            left.append((x - dx, y + dy))
            right.append((x + dx, y - dy))
    axes.add_patch(Polygon(left + right[::-1], fc=INK, label="line", zorder=1))
    axes.add_patch(Circle(world.END[:2], world.MARK_RADIUS, fc=RED, label="red mark", zorder=2))


def _robot(axes, world, pose):
    """The robot where it stopped: axle, wheels and the arm with the sensor."""
    x, y, heading = pose
    c, s = math.cos(heading), math.sin(heading)

    def at(ahead, right):
        return x + ahead * c + right * s, y + ahead * s - right * c

    half = world.WHEEL_BASE / 2
    body = [at(*p) for p in ((-2, -half + 1), (2.5, -half + 1), (world.SENSOR_AHEAD, 0),
                             (2.5, half - 1), (-2, half - 1))]
    axes.add_patch(Polygon(body, fc="#1f77b4", ec="#1f77b4", alpha=0.35, zorder=3,
                           label="robot at the end"))
    for side in (-half, half):
        wheel = [at(*p) for p in ((-1.6, side - 0.4), (1.6, side - 0.4), (1.6, side + 0.4),
                                  (-1.6, side + 0.4))]
        axes.add_patch(Polygon(wheel, fc="#444444", zorder=3))
