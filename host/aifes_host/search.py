"""`aifes quantize --search`: other ranges and weight shifts, layer by layer, judged by the outputs.

Half of the samples choose, the other half tells what was gained. The layers stay as they are; a
byte an output is added where their weight shifts come to differ.
"""
from .graph import ConversionError
from .layout import by_rows
from .quantizer import build, error, quantize
from .walk import Choice

TRIED = (Choice(0, "results"), Choice(1), Choice(-1), Choice(1, "results"), Choice(-1, "results"))
ROUNDS = 2
LEAST = 0.01  # share of the error that a choice must gain to be kept


def search(graph, data, method="mse", progress=iter):
    """A Quantized at least as good as quantize()'s on samples that were not used for choosing.

    Its `improved` has error_before and error_after (mean squared error of the outputs, each
    relative to its variance, on those samples) and choices, by layer name. Only for method "mse".
    progress: wraps what is iterated, to show how far it is.
    """
    start = quantize(graph, data, method)
    if method != "mse":
        raise ConversionError("only method 'mse' can be searched: AIfES's rule leaves no choice")
    x = start.x
    chosen_on, judged_on = x[::2], x[1::2] if len(x) > 1 else x
    choices, best = {}, error(start, chosen_on)
    nodes = [node for node in graph.nodes if node.layer.choices]
    for node in progress([node for _ in range(ROUNDS) for node in nodes]):
        for choice in TRIED:
            if choice == choices.get(node.output) or not choice.departs <= set(node.layer.choices):
                continue
            trial = {**choices, node.output: choice}
            loss = error(build(start.graph, x, method, start.per_element, trial, True), chosen_on)
            if loss < (1 - LEAST) * best:
                choices, best = trial, loss
    found = build(start.graph, x, method, start.per_element, choices, True)
    before, after = error(start, judged_on), error(found, judged_on)
    if after >= before:
        found, after, choices = start, before, {}
    found.warnings, found.model = start.warnings, by_rows(found.model)
    found.improved = {"error_before": float(before), "error_after": float(after), "choices": {
        graph.maker(name).layer.name: _describe(choice) for name, choice in choices.items()}}
    return found


def _describe(choice):
    words = []
    if choice.finer:
        words.append("half the range" if choice.finer > 0 else "twice the range")
    if choice.weights == "results":
        words.append("weight shifts by results")
    return ", ".join(words)
