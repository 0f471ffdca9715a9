"""The report's pictures as inline SVG. Colors come from its style sheet, by class.

Widths are about those of a phone, so that text stays readable when a picture is scaled to one.
"""
import numpy as np
from aifes.ops import NAMES
from markupsafe import Markup, escape

from . import memory_map
from .per_op import shape_text

HUES = 6  # classes hue0.. of the style sheet


def tag(name, content="", **attributes):
    """An element; `_` in a name of an attribute is `-`, text is escaped."""
    pairs = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"),
                                  f"{v:.5g}" if isinstance(v, float) else v)
        for key, v in attributes.items())
    return Markup("<{0}{1}>{2}</{0}>").format(name, pairs, escape(content))


def picture(width, height, title, parts, **attributes):
    return tag("svg", Markup("").join([tag("title", title), *parts]),
               viewBox=f"0 0 {width} {height}", role="img", **attributes)


def text(x, y, content, anchor="start", class_=""):
    return tag("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


def shortened(name, characters):
    return name if len(name) <= characters else name[:characters - 1] + "…"


def network(stages):
    """Boxes from top to bottom, one for each input and op of the buffer; an arrow where an op reads
    what is above it, a line at the side and the names where it reads others."""
    parts, y, middles = [], 4, []
    edges = [(k, i) for i, s in enumerate(stages) for k in s.reads if k != i - 1]
    lanes = _lanes(edges)
    for i, stage in enumerate(stages):
        chained = i + 1 < len(stages) and i in stages[i + 1].reads
        others = [] if stage.reads in ([], [i - 1]) else [
            f"reads {', '.join(stages[k].layers[-1].name for k in stage.reads)}"]
        inputs = [shape_text(stages[k].shape) for k in stage.reads]
        height = 14 + 38 * len(stage.layers) + 18 * len(others)
        parts.append(tag("rect", x=10, y=y, width=340, height=height, rx=8,
                         class_="box input" if stage.is_input else "box"))
        for line in others:
            parts.append(text(24, y + 20, shortened(line, 50), class_="small"))
        for k, layer in enumerate(stage.layers):
            top = y + 24 + 38 * k + 18 * len(others)
            parts += [text(24, top, shortened(layer.name, 22), class_="strong"),
                      text(336, top, _kind(stage, layer, k, inputs), "end"),
                      text(336, top + 18, scale(layer), "end", "small")]
            if layer.parameters:
                parts.append(text(24, top + 18, f"{layer.parameters:,} parameters", "start",
                                  "small"))
        middles.append(y + height / 2)
        y += height
        if chained:
            parts += [tag("path", d=f"M180 {y}v26m-5 -7l5 7l5 -7", class_="arrow"),
                      text(190, y + 18, shape_text(stage.shape), class_="small")]
        if i < len(stages) - 1:
            y += 27
    for (k, i), lane in zip(edges, lanes):
        x, start, end = 362 + 10 * lane, middles[k] + 6, middles[i] - 6
        parts.append(tag("path", d=f"M350 {start}H{x}V{end}H350m7 -5l-7 5l7 5", class_="arrow"))
    return picture(360 + 10 * (max(lanes, default=-1) + 1), y + 4, "The network", parts)


def _lanes(edges):
    """A number for each edge (from, to): those beside each other have different ones."""
    found = []
    for at, (start, end) in enumerate(edges):
        taken = {found[j] for j, (a, b) in enumerate(edges[:at]) if a < end and start < b}
        found.append(next(n for n in range(at + 1) if n not in taken))
    return found


def _kind(stage, layer, place, inputs):
    if layer.parameters:
        return f"{layer.kind}, {inputs[0]} → {shape_text(stage.shape)}"
    return f"+ {layer.kind}" if place else f"{layer.kind}, {shape_text(stage.shape)}"


def scale(layer):
    """The scale of a layer's result in words; nothing of float32, or if the file tells none."""
    if layer.shift is None:
        return ""
    if isinstance(layer.shift, int):
        return f"scale {_power(-layer.shift)}, zero point {layer.zero_point}"
    finest, coarsest = _power(-max(layer.shift)), _power(-min(layer.shift))
    if finest == coarsest:
        return f"scale {finest}, zero point for each"
    return f"scales {finest} to {coarsest}, for each"


def _power(exponent):
    return "2" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def histogram(stage):
    """Float values (area), where they are known, and the model's (line) in the same bins."""
    edges = bins(stage)
    # roots: beside the many zeros behind a ReLU the other values would be invisible
    counts = [np.sqrt(np.histogram(v, edges)[0]) for v in (stage.real, stage.seen)
              if v is not None]
    top = max(c.max() for c in counts)
    x = np.interp(edges, edges[[0, -1]], [10, 350])
    outlines = []
    for c in counts:
        y = 130 - 120 * c / top
        outlines.append(f"M{x[0]:.1f} 130" + "".join(
            f"V{h:.1f}H{right:.1f}" for h, right in zip(y, x[1:])) + "V130")
    parts = [tag("path", d=outlines[0], class_="area")] if len(outlines) > 1 else []
    parts += [tag("path", d=outlines[-1], class_="line"),
              tag("path", d="M10 130H350", class_="axis")]
    span = edges[-1] - edges[0]
    digits = 2 - int(np.floor(np.log10(span)))
    for at, anchor in ((0, "start"), (0.5, "middle"), (1, "end")):
        value = round(edges[0] + at * span, digits) + 0.0  # no -0
        parts.append(text(10 + 340 * at, 147, f"{value:.6g}", anchor, "small"))
    return picture(360, 152, f"Values of {stage.title}", parts)


def bins(stage, most=48):
    """Edges of bins; each holds the same number of the values that int8 can express."""
    low = min(v.min() for v in (stage.real, stage.seen) if v is not None)
    high = max(v.max() for v in (stage.real, stage.seen) if v is not None)
    shift = stage.layers[-1].shift
    if not isinstance(shift, int):  # a scale for each element: no common steps
        return np.linspace(low, high if high > low else low + 1, most + 1)
    step = 2.0 ** -shift
    steps = max(1, int(np.ceil((high - low) / step / most)))
    first = np.floor((low / step + 0.5) / steps)
    last = np.floor((high / step + 0.5) / steps) + 1
    return (np.arange(first, last + 1) * steps - 0.5) * step


def memory(plan):
    """The arena from 0 at the bottom to its end, over the layers; of those that take turns, over
    the rows that they compute."""
    ops, found = len(plan.ops), memory_map.areas(plan)
    turns = " turns" if memory_map.in_turns(plan) else ""
    width, height = 300 / ops, 170 / plan.arena
    parts = [tag("pattern", tag("path", d="M0 6L6 0", class_="stripe"), id="few", width=6, height=6,
                 patternUnits="userSpaceOnUse")] if turns else []
    for i, (b, strips) in enumerate(found):
        path = "".join("M" + "L".join(f"{50 + width * x:.1f} {180 - height * y:.1f}"
                                      for x, y in memory_map.outline(strip)) + "Z"
                       for strip in strips)
        parts.append(tag("path", d=path, class_=f"block hue{i % HUES}{turns}"))
        if b.rows:
            parts.append(tag("path", d=path, fill="url(#few)"))
        x, y, across, up = memory_map.middle(strips)
        if height * up >= 14 and width * across >= 14:
            parts.append(text(50 + width * x, 184 - height * y, memory_map.letter(i), "middle",
                              "strong"))
    bound = 180 - height * memory_map.lower_bound(plan)
    parts += [tag("path", d=f"M50 {bound:.1f}H350", class_="bound"),
              tag("path", d="M50 6V180H350", class_="axis"),
              text(44, 184, 0, "end", "small"), text(44, 16, f"{plan.arena:,}", "end", "small")]
    together = memory_map.groups(plan)
    for first, end in together[::-(-ops // 12)]:
        name = f"{first} {NAMES[plan.ops[first].opcode]}" if ops <= 4 else first
        if end > first + 1:
            name = f"{first}–{end - 1}"
        parts.append(text(50 + width * (first + end) / 2, 198, name, "middle", "small"))
    return picture(360, 204, "The arena over time", parts)


def scatter(real, seen, title, most=400):
    """Float (across) against Q7 (up) of one output, on the diagonal if they are equal."""
    step = -(-len(real) // most)
    real, seen = real[::step], seen[::step]
    low, high = min(real.min(), seen.min()), max(real.max(), seen.max())
    high = high if high > low else low + 1
    x, y = (np.interp(v, [low, high], ends) for v, ends in ((real, [14, 286]), (seen, [286, 14])))
    dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x, y))
    parts = [tag("path", d="M8 8V292H292", class_="axis"),
             tag("path", d="M14 286L286 14", class_="bound"),
             tag("path", d=dots, class_="dots"),
             text(18, 24, title, class_="strong"),
             text(8, 308, f"{low:.3g}", class_="small"),
             text(292, 308, f"{high:.3g}", "end", "small")]
    return picture(300, 314, f"Float against Q7: {title}", parts, class_="scatter")
