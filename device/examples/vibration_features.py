"""What a network hears of a machine: five numbers of a window of accelerometer samples.

They do not depend on how the sensor is turned: gravity is a constant that drops out, and the three
axes are summed. Small integers only and a literal as the step of range(): so MicroPython
allocates nothing.
"""
SAMPLES = 64  # of one window
AXES = 3
FEATURES = ("strength", "speed", "roughness", "peakiness", "crossings")


def features(window, x):
    """Fill x, array('f') of 5, from window, array('h') of 64 samples of x, y, z one after another.

    strength: mean deviation in counts of the sensor; speed: mean change over strength, * 256;
    roughness: mean change of the change over mean change, * 256; peakiness: largest deviation over
    strength, * 16; crossings: how often the axes cross their mean.
    """
    deviation = change = bend = peak = crossings = 0
    for axis in range(AXES):
        total = 0
        for i in range(axis, AXES * SAMPLES, 3):
            total += window[i]
        mean = total // SAMPLES
        before = window[axis] - mean
        last = 0
        for i in range(axis, AXES * SAMPLES, 3):
            d = window[i] - mean
            step = d - before
            deviation += abs(d)
            change += abs(step)
            bend += abs(step - last)
            peak = max(peak, abs(d))
            if (d < 0) != (before < 0):
                crossings += 1
            before = d
            last = step
    x[0] = deviation // SAMPLES
    x[1] = 256 * (change // SAMPLES) // (deviation // SAMPLES + 1)
    x[2] = 256 * (bend // SAMPLES) // (change // SAMPLES + 1)
    x[3] = 16 * peak // (deviation // SAMPLES + 1)
    x[4] = crossings
