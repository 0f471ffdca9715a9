"""Whether a model is fit for use, in words: what speaks for it, what against it, what to try.

The limits are about what is lost by quantizing, on the samples at hand; a network that was wrong in
float stays wrong, which is said where labels tell it.
"""
from dataclasses import dataclass, field

import numpy as np

from .stages import outputs

LEVELS = ("fit", "limited", "unfit")
ACCURACY_LOST = (0.01, 0.05)  # of 1; above the first limited, above the second unfit
DECISIONS_CHANGED = (0.02, 0.1)
ERROR = (0.02, 0.1)  # mean error of an output, of its span
CUT = (0.02, 0.2)  # share of the inputs' values beyond their range
FEW = 30  # samples that say little
HEADINGS = {"fit": "Fit for use", "limited": "Usable with care", "unfit": "Not fit for use",
            "unknown": "Cannot be judged alone"}


@dataclass
class Verdict:
    level: str = "fit"  # one of HEADINGS
    reasons: list = field(default_factory=list)
    advice: list = field(default_factory=list)

    @property
    def heading(self):
        return HEADINGS[self.level]

    def add(self, level, reason):
        """One reason more; the worst level counts. level: an int, or one of LEVELS."""
        level = level if isinstance(level, int) else LEVELS.index(level)
        if self.level == "unknown":
            self.level = LEVELS[level] if level else self.level
        else:
            self.level = LEVELS[max(level, LEVELS.index(self.level))]
        self.reasons.append(reason)


def grade(value, limits):
    """0, 1 or 2: how many of the limits are passed."""
    return sum(bool(value > limit) for limit in limits)


def judge(result, comparison, stages, agreement, wanted, tested):
    """The Verdict about a Quantized.

    agreement: share of equal decisions of a classifier, else None; wanted: numbers of the right
    classes, or None; tested: whether the samples are others than those that chose the ranges.
    """
    found = Verdict()
    if "accuracy_q7" in comparison:
        _accuracy(found, comparison, wanted)
    if agreement is not None:
        found.add(0 if "accuracy_q7" in comparison else grade(1 - agreement, DECISIONS_CHANGED),
                  f"{agreement:.1%} of its decisions are those of the float network.")
    elif "accuracy_q7" not in comparison:
        _error(found, outputs(stages))
    lossy = found.level != "fit"
    cut = _cut(stages)
    if cut > CUT[0]:
        found.add(grade(cut, CUT), f"{cut:.1%} of the input values lie beyond the range that the "
                                   "calibration data had, and are cut.")
        found.advice.append("Calibrate with data that reach as far as those on the board.")
    _samples(found, comparison["samples"])
    for warning in result.warnings:  # about calibration: other samples show what it matters
        found.add("fit" if tested else "limited", f"{warning[0].upper()}{warning[1:]}.")
    if not tested:
        found.reasons.append("These samples also chose the ranges: other ones (--test) say more.")
    if lossy:
        _advise(found, result, stages)
    elif found.level != "fit" and not found.advice:
        found.advice.append("Compare on some hundred other samples, as they occur on the board: "
                            "--test.")
    return found


def judge_file(is_float, stages, accuracy, classes):
    """The Verdict about a model whose float network is not there.

    stages: of the samples, or empty; accuracy: of the labels, or None; classes: found, or None.
    """
    found = Verdict("unknown", [
        "Nothing is quantized, so nothing is lost that way; data with labels tell whether it is "
        "right." if is_float else
        "What the model lost against its float network is not in the file: give the network and "
        "data to see it."])
    if stages:
        if not is_float:
            cut = _cut(stages)
            found.add(grade(cut, CUT), f"{cut:.1%} of the input values lie beyond the range of "
                                       "the inputs, and are cut.")
        _samples(found, len(stages[0].seen))
    if accuracy is not None:
        found.add("fit", f"It is right on {accuracy:.1%} of the samples.")
    if classes is not None and len(classes) > 1 and (classes == classes[0]).all():
        found.add("limited", "It gives the same class for all samples.")
    if found.level != "unknown":
        found.advice.append("Are the inputs scaled as in training? If they are, calibrate and "
                            "quantize again with data such as these.")
    return found


def _accuracy(found, comparison, wanted):
    real, q7 = comparison["accuracy_float"], comparison["accuracy_q7"]
    most = np.bincount(wanted).max() / len(wanted)
    if len(np.unique(wanted)) > 1 and real <= most:
        found.add("unfit", f"The float network itself is right on {real:.1%} of the samples; "
                           f"always the most frequent class would be on {most:.1%}.")
        found.advice.append("Check that the labels belong to these samples, and that inputs are "
                            "scaled as in training; then train again.")
    # a single sample more or less is chance
    lost = real - q7 if (real - q7) * len(wanted) > 1.5 else 0
    words = f"{real - q7:.1%} of accuracy" if q7 < real else "no accuracy"
    found.add(grade(lost, ACCURACY_LOST),
              f"Quantizing costs {words}: {q7:.1%} right, {real:.1%} in float.")


def _error(found, last):
    """For a regression: the output that is worst in proportion to its span."""
    span = np.ptp(last.real, axis=0)
    if not span.any():
        found.add("limited", "The outputs do not change on these samples: nothing can be judged.")
        return
    moving = np.flatnonzero(span)
    relative = last.error.mean(0)[moving] / span[moving]
    worst = relative.argmax()
    which = f"of output {moving[worst]}, the worst of {len(span)}," if len(span) > 1 else \
        "of the output"
    found.add(grade(relative[worst], ERROR),
              f"The mean error {which} is {relative[worst]:.2%} of its span.")


def _cut(stages):
    """The share of the inputs' values beyond what their int8 can express; 0 of float32."""
    beyond, total = 0, 0
    for stage in stages:
        layer = stage.layers[0]
        if not stage.is_input or layer.shift is None:
            continue
        step = np.ldexp(1.0, -np.array(layer.shift))
        low, high = ((q - np.array(layer.zero_point)) * step for q in (-128, 127))
        beyond += ((stage.real < low - step / 2) | (stage.real > high + step / 2)).sum()
        total += stage.real.size
    return float(beyond / total) if total else 0.0


def _samples(found, n):
    if n < FEW:
        found.add("limited", f"Only {n} sample{'s' if n > 1 else ''}: the figures may be chance.")


def _advise(found, result, stages):
    worst = max(stages, key=lambda s: s.loss)
    if result.method == "aifes":
        found.advice.append("Leave out --method aifes: method mse loses less.")
    if not result.improved:
        found.advice.append("Try --search; with targets or classes at hand --finetune.")
    found.advice.append(f"Most is lost in {worst.title}: scale its inputs alike, or make it wider.")
    found.advice.append("Where memory and time allow, keep the network in float32: aifes convert.")
