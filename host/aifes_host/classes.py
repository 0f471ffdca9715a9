"""From outputs to classes, and from the labels that people write to the numbers of outputs."""
import numpy as np

from .graph import ConversionError


def check_single(outputs):
    """ConversionError unless so many outputs can tell classes."""
    if outputs > 1:
        raise ConversionError(f"classes are told by one output, the network has {outputs}: compare "
                              "without labels")


def classify(y, boundary=None):
    """The class (int array) that outputs [samples, outputs] mean.

    boundary: Graph.boundary, what a single output must exceed to mean class 1.
    """
    return y.argmax(1) if y.shape[1] > 1 else (y[:, 0] > boundary).astype(int)


def class_numbers(known, outputs, labels, samples):
    """The classes' numbers (int array) of the labels of so many samples.

    known: the names of a network's classes, or nothing; outputs: how many it has. labels: these
    names, as text or numbers; where the names are no numbers, also 0, 1, ..; where there are none,
    for a single output also -1 and 1.
    """
    try:
        labels = np.asarray(labels)
    except ValueError:
        raise ConversionError("the labels have rows of different lengths: give one for each "
                              "sample")
    if labels.ndim > 1 and labels.size == len(labels):
        labels = labels.ravel()
    if labels.ndim != 1 or len(labels) != samples:
        raise ConversionError(f"{len(labels) if labels.ndim else 'no'} labels for {samples} "
                              "samples: give one label for each")
    values = labels.tolist()
    count = max(outputs, 2)
    names = {}
    for i, name in enumerate(known):
        names.setdefault(_key(name), i)
    for i, name in enumerate(known):  # what is equal letter by letter comes first
        names[str(name)] = i
    if not any(_is_number(name) for name in known):
        names.update({str(i): i for i in range(count)})
    if not len(known) and outputs == 1 and "-1" in {_key(v) for v in values}:
        names = {"-1": 0, "1": 1}
    found = [names.get(str(v), names.get(_key(v))) for v in values]
    if None in found:
        wrong = values[found.index(None)]
        if known:
            raise ConversionError(f"the label {str(wrong)!r} is none of the network's: "
                                  f"{', '.join(str(v) for v in known)}")
        raise ConversionError(f"the label {wrong} is none of the network's {count} classes: it has "
                              f"no names for them, so give numbers from 0 to {count - 1}")
    found = np.array(found, int)
    if found.size and found.max() >= count:
        raise ConversionError(f"the network names {len(known)} classes, but its {outputs} outputs "
                              f"tell {count} apart")
    return found


def _is_number(name):
    try:
        float(name)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _key(label):
    """A label as text; 1, 1.0, True, "1" and "1.0" are the same."""
    text = str(label).strip()
    if _is_number(label) and float(label).is_integer():
        return str(int(float(label)))
    return text
