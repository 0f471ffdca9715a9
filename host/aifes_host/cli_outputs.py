"""What `aifes run` and `aifes simulate` show of outputs: names of classes where there are any."""
from .cli_app import console, print_table, say
from .predictions import Outputs
from .sources import read_labels

SHOWN = 20  # samples whose outputs are printed


def describe(model, plan, y, labels=None):
    """A dict for JSON of real outputs [samples, outputs]; labels: a file of the right classes."""
    outputs = Outputs(model, plan)
    found = {"outputs": y.tolist(), "names": outputs.headings()}
    if outputs.labels:
        found["predictions"] = outputs.predictions(y)
    if labels is not None:
        found["accuracy"] = outputs.accuracy(y, read_labels(labels, len(y)))
    return found


def draw(found):
    """Print such a dict."""
    y, names, predictions = found["outputs"], found["names"], found.get("predictions")
    shown = SHOWN if len(names) <= 10 else SHOWN // 4
    rows = [[i, *[f"{v:.5g}" for v in row]] for i, row in enumerate(y[:shown], 1)]
    if predictions:
        rows = [[*row, name] for row, name in zip(rows, predictions)]
    titles = names
    if max(map(len, names)) > console.width // 3:  # no headings for figures
        titles = [f"output {j}" for j in range(len(names))]
        for title, name in zip(titles, names):
            say(f"{title}: {name}")
    print_table(["sample", *titles, *(["predicted"] if predictions else [])], rows,
                texts=(0, len(titles) + 1))
    if len(y) > shown:
        say(f"... {len(y) - shown} more; -o writes them all")
    if "accuracy" in found:
        say(f"accuracy: {100 * found['accuracy']:.2f} % of {len(y)} samples")
