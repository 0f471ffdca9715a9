"""`aifes quantize --finetune`: train on with the rounding in the loop, in NumPy, for small MLPs.

Forward as the board computes it: weights and results rounded to int8; backward as if nothing were
rounded, but for values beyond their range, which get no gradient (straight-through estimator:
Bengio, Leonard, Courville 2013, arXiv 1308.3432). Adam (Kingma, Ba 2015, arXiv 1412.6980).
"""
from dataclasses import replace

import numpy as np

from .graph import ConversionError, Graph
from .layout import by_rows
from .losses import goals
from .quantizer import build, quantize
from .scales import rounded
from .simulator import simulate

EPOCHS = 60
BATCH = 32
RATE = 0.01  # of Adam, times the root mean square of the layer's weights
HELD_BACK = 5  # every fifth sample judges the epochs


def finetune(graph, data, targets, method="mse", seed=0, progress=iter, meant=None):
    """A Quantized of the network trained on, or of the given one if that is better.

    data: [samples, inputs]; targets: what the outputs should be, [samples, outputs], or the
    samples' classes; meant: "classes" or "values" where targets could be both. Classes are trained
    by cross-entropy, of probabilities or of logits, unless the outputs have ends, as of a tanh;
    all others by squared error. `improved` has the loss, loss_before and loss_after, of Q7 on
    samples that were not trained with, the same of the accuracy if these are classes, and the
    epoch taken.
    """
    start = quantize(graph, data, method)
    x = start.x
    aim = goals(graph, targets, len(x), meant)
    held = np.arange(len(x)) % HELD_BACK == 0
    if held.sum() < 2:
        raise ConversionError(f"{len(x)} samples are too few to train with: give some hundred")
    best = before = aim.value(simulate(start.model, x[held]), held)
    found, epoch_taken = start, 0
    trained = _copy(start.graph)
    trainer = _Trainer(trained, x, aim, np.flatnonzero(~held), np.random.default_rng(seed))
    trial = build(trained, x, method, start.per_element, equal=True)
    for epoch in progress(range(1, EPOCHS + 1)):
        trainer.epoch(trial, epoch)
        trial = build(trained, x, method, start.per_element, equal=True)
        loss = aim.value(simulate(trial.model, x[held]), held)
        if loss < best:
            best, epoch_taken = loss, epoch
            # compared with the network as it was trained: that is what fine-tuning is to keep
            found = replace(trial, graph=_copy(trained))
    found.warnings, found.model = start.warnings, by_rows(found.model)
    found.improved = {"loss": aim.loss, "loss_before": before, "loss_after": best,
                      "epoch": epoch_taken}
    if aim.numbers is not None:
        for when, result in (("before", start), ("after", found)):
            right = result.classify(simulate(result.model, x[held])) == aim.numbers[held]
            found.improved[f"accuracy_{when}"] = float(right.mean())
    return found


def _copy(graph):
    """The same Graph with Nodes of its own, whose layers may be replaced."""
    return Graph(graph.inputs, [replace(node) for node in graph.nodes], graph.outputs, graph.name,
                 graph.labels)


class _Trainer:
    """One network in training: layers with parameters are replaced by changed ones."""

    def __init__(self, graph, x, aim, rows, rng):
        self.graph, self.x, self.aim, self.rows, self.rng = graph, x, aim, rows, rng
        self.steps = 0
        self.moments, self.rates = {}, {}
        for node in graph.nodes:
            values = [getattr(node.layer, name) for name in node.layer.trained]
            if values:
                self.moments[node.output] = [[np.zeros_like(v), np.zeros_like(v)] for v in values]
                self.rates[node.output] = RATE * np.sqrt((values[0] ** 2).mean())

    def epoch(self, result, epoch):
        """Train with all samples once, with the scales of a Quantized of the network as it is."""
        self.shifts = {name: self.graph.maker(name).layer.stored_shifts() for name in self.moments}
        rate = 0.5 * (1 + np.cos(np.pi * epoch / (EPOCHS + 1)))
        order = self.rows[self.rng.permutation(len(self.rows))]
        for at in range(0, len(order), BATCH):
            self._step(order[at:at + BATCH], result.scales, rate)

    def _step(self, rows, scales, rate):
        graph = self.graph
        # what later layers see of each tensor, and where its values are within range
        seen = {name: rounded(v, *scales[name])[0] for name, v in graph.split(self.x[rows]).items()}
        kept = {}
        for node in graph.nodes:
            stored, inside = node.layer, ()
            if stored.trained:
                stored, inside = stored.as_stored(self.shifts[node.output])
            y = stored(*[seen[name] for name in node.inputs])
            ends = node.output in graph.outputs and not graph.readers(node.output)
            seen[node.output], open_ = (y, True) if ends else rounded(y, *scales[node.output])
            kept[node.output] = stored, inside, y, open_
        self.steps += 1
        skipped = self.aim.before_activation
        gradients = {name: g / len(rows) for name, g in self.aim.gradients(seen, rows).items()}
        for node in reversed(graph.nodes):
            stored, inside, y, open_ = kept[node.output]
            gradient = gradients.pop(node.output) * open_
            x = [seen[name] for name in node.inputs]
            if node.output in skipped:
                back = [gradient]
            else:
                back = stored.gradients(x, y, gradient)
            for name, g in zip(node.inputs, back):
                gradients[name] = gradients[name] + g if name in gradients else g
            if stored.trained:
                found = stored.parameter_gradients(x, gradient)
                self._adam(node, [g * part for g, part in zip(found, inside)], rate)

    def _adam(self, node, gradients, rate):
        new = {}
        for name, g, m in zip(node.layer.trained, gradients, self.moments[node.output]):
            m[0] = 0.9 * m[0] + 0.1 * g
            m[1] = 0.999 * m[1] + 0.001 * g * g
            first = m[0] / (1 - 0.9 ** self.steps)
            second = m[1] / (1 - 0.999 ** self.steps)
            new[name] = getattr(node.layer, name) - rate * self.rates[node.output] * first / (
                np.sqrt(second) + 1e-8)
        node.layer = replace(node.layer, **new)
