"""`aifes quantize --finetune`: train on with the rounding in the loop, in NumPy, for small MLPs.

Forward as the board computes it: weights and results rounded to int8; backward as if nothing were
rounded, but for values beyond their range, which get no gradient (straight-through estimator:
Bengio, Leonard, Courville 2013, arXiv 1308.3432). Adam (Kingma, Ba 2015, arXiv 1412.6980).
"""
from dataclasses import replace

import numpy as np

from .graph import ConversionError, Dense, Graph
from .losses import goal
from .quantizer import build, quantize
from .scales import weight_shifts
from .simulator import dequantize_values, quantize_values, simulate
from .slopes import slope

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
    aim = goal(graph, targets, len(x), meant)
    held = np.arange(len(x)) % HELD_BACK == 0
    if held.sum() < 2:
        raise ConversionError(f"{len(x)} samples are too few to train with: give some hundred")
    per_feature = not isinstance(start.layers[0].shift, int)
    best = before = aim.value(simulate(start.model, x[held]), held)
    found, epoch_taken = start, 0
    trained = Graph(graph.inputs, [replace(layer) for layer in graph.layers], graph.name,
                    graph.labels)
    trainer = _Trainer(trained, x, aim, np.flatnonzero(~held), np.random.default_rng(seed))
    trial = build(trained, x, method, per_feature)
    for epoch in progress(range(1, EPOCHS + 1)):
        trainer.epoch(trial, epoch)
        trial = build(trained, x, method, per_feature)
        loss = aim.value(simulate(trial.model, x[held]), held)
        if loss < best:
            best, epoch_taken = loss, epoch
            # compared with the network as it was trained: that is what fine-tuning is to keep
            found = replace(trial, graph=Graph(graph.inputs, [replace(v) for v in trained.layers],
                                               graph.name, graph.labels))
    found.warnings = start.warnings
    found.improved = {"loss": aim.loss, "loss_before": before, "loss_after": best,
                      "epoch": epoch_taken}
    if aim.numbers is not None:
        for when, result in (("before", start), ("after", found)):
            right = result.classify(simulate(result.model, x[held])) == aim.numbers[held]
            found.improved[f"accuracy_{when}"] = float(right.mean())
    return found


class _Trainer:
    """One network in training, whose dense layers it changes."""

    def __init__(self, graph, x, aim, rows, rng):
        self.graph, self.x, self.aim, self.rows, self.rng = graph, x, aim, rows, rng
        self.steps = 0
        self.moments = {i: [np.zeros_like(v) for v in (layer.weights, layer.weights, layer.bias,
                                                       layer.bias)]
                        for i, layer in enumerate(graph.layers) if layer.kind == "dense"}
        self.rates = {i: RATE * np.sqrt((graph.layers[i].weights ** 2).mean())
                      for i in self.moments}

    def epoch(self, result, epoch):
        """Train with all samples once, with the scales of a Quantized of the network as it is."""
        scales = [(np.array(r.shift), np.array(r.zero_point)) for r in result.layers]
        shifts = {i: weight_shifts(self.graph.layers[i].weights) for i in self.moments}
        rate = 0.5 * (1 + np.cos(np.pi * epoch / (EPOCHS + 1)))
        order = self.rows[self.rng.permutation(len(self.rows))]
        for at in range(0, len(order), BATCH):
            rows = order[at:at + BATCH]
            self._step(rows, scales, shifts, rate)

    def _step(self, rows, scales, shifts, rate):
        layers, kept = self.graph.layers, []
        x, _ = _rounded(self.x[rows], *scales[0])
        for i, layer in enumerate(layers):
            if layer.kind == "dense":
                w, inside = _rounded(layer.weights, shifts[i], 0)
                y = x @ w + layer.bias
            else:
                w, inside, y = None, None, layer(x)
            if i == len(layers) - 1:
                seen, open_ = y, True
            else:
                seen, open_ = _rounded(y, *scales[i + 1])
            kept.append((x, w, inside, y, open_))
            x = seen
        gradient = self.aim.gradient(x, rows) / len(x)
        skipped = len(layers) - 1 if self.aim.before_activation else None
        self.steps += 1
        for i in reversed(range(len(layers))):
            x, w, inside, y, open_ = kept[i]
            gradient = gradient * open_
            if layers[i].kind == "dense":
                changes = (x.T @ gradient) * inside, gradient.sum(0)
                gradient = gradient @ w.T
                self._adam(i, changes, rate)
            elif i != skipped:
                gradient = gradient * slope(layers[i], x, y)

    def _adam(self, i, gradients, rate):
        layer, m = self.graph.layers[i], self.moments[i]
        new = []
        for k, (value, g) in enumerate(zip((layer.weights, layer.bias), gradients)):
            m[2 * k] = 0.9 * m[2 * k] + 0.1 * g
            m[2 * k + 1] = 0.999 * m[2 * k + 1] + 0.001 * g * g
            first = m[2 * k] / (1 - 0.9 ** self.steps)
            second = m[2 * k + 1] / (1 - 0.999 ** self.steps)
            new.append(value - rate * self.rates[i] * first / (np.sqrt(second) + 1e-8))
        self.graph.layers[i] = Dense(*new, layer.name)


def _rounded(values, shift, zero):
    """The values as Q7 holds them, and 1 where they are within its range."""
    low, high = (np.ldexp(np.float64(q) - zero, -np.asarray(shift)) for q in (-128, 127))
    return (dequantize_values(quantize_values(values, shift, zero), shift, zero),
            (values >= low) & (values <= high))
