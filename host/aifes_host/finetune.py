"""`aifes quantize --finetune`: train on with the rounding in the loop, in NumPy, for small MLPs.

Forward as the board computes it: weights and results rounded to int8; backward as if nothing were
rounded, but for values beyond their range, which get no gradient (straight-through estimator:
Bengio, Leonard, Courville 2013, arXiv 1308.3432). Adam (Kingma, Ba 2015, arXiv 1412.6980).
"""
from dataclasses import replace

import numpy as np

from .graph import ConversionError, Dense, Graph
from .quantizer import build, quantize
from .scales import weight_shifts
from .simulator import dequantize_values, quantize_values, simulate

EPOCHS = 60
BATCH = 32
RATE = 0.01  # of Adam, times the root mean square of the layer's weights
HELD_BACK = 5  # every fifth sample judges the epochs


def finetune(graph, data, targets, method="mse", seed=0, progress=iter):
    """A Quantized of the network trained on, or of the given one if that is better.

    data: [samples, inputs]; targets: what the outputs should be, [samples, outputs], or the
    samples' classes. A classifier (softmax or sigmoid at the end) is trained by cross-entropy, all
    others by squared error. `improved` has loss_before and loss_after, of Q7 on samples that were
    not trained with, and the epoch taken.
    """
    start = quantize(graph, data, method)
    x = start.x
    targets = _targets(start, targets, len(x))
    held = np.arange(len(x)) % HELD_BACK == 0
    if held.sum() < 2:
        raise ConversionError(f"{len(x)} samples are too few to train with: give some hundred")
    per_feature = not isinstance(start.layers[0].shift, int)
    last = graph.layers[-1].kind
    best = before = _judge(start.model, last, x[held], targets[held])
    found, epoch_taken = start, 0
    trained = Graph(graph.inputs, [replace(layer) for layer in graph.layers], graph.name,
                    graph.labels)
    trainer = _Trainer(trained, x[~held], targets[~held], np.random.default_rng(seed))
    trial = build(trained, x, method, per_feature)
    for epoch in progress(range(1, EPOCHS + 1)):
        trainer.epoch(trial, epoch)
        trial = build(trained, x, method, per_feature)
        loss = _judge(trial.model, last, x[held], targets[held])
        if loss < best:
            best, epoch_taken = loss, epoch
            # compared with the network as it was trained: that is what fine-tuning is to keep
            found = replace(trial, graph=Graph(graph.inputs, [replace(v) for v in trained.layers],
                                               graph.name, graph.labels))
    found.warnings = start.warnings
    found.improved = {"loss_before": before, "loss_after": best, "epoch": epoch_taken}
    return found


def _targets(result, targets, samples):
    targets = np.asarray(targets)
    n = result.graph.outputs
    if targets.ndim == 1 or targets.shape[1:] == (1,) and n > 1:
        if n > 1:
            return np.eye(n)[result.class_numbers(targets.ravel(), samples)]
        targets = targets.reshape(-1, 1)
        if result.graph.labels:
            targets = result.class_numbers(targets.ravel(), samples).reshape(-1, 1)
    if targets.shape != (samples, n):
        raise ConversionError(f"the targets have shape {targets.shape}, the network gives "
                              f"{(samples, n)}: one row for each sample, or its class")
    return targets.astype(float)


def _judge(model, last, x, targets):
    """Mean loss of a buffer's outputs."""
    y = simulate(model, x)
    if last == "softmax":
        return float(-(targets * np.log(np.maximum(y, 1 / 512))).sum(1).mean())
    if last == "sigmoid":
        y = np.clip(y, 1 / 512, 1 - 1 / 512)
        return float(-(targets * np.log(y) + (1 - targets) * np.log(1 - y)).mean())
    return float(((y - targets) ** 2).mean())


class _Trainer:
    """One network in training, whose dense layers it changes."""

    def __init__(self, graph, x, targets, rng):
        self.graph, self.x, self.targets, self.rng = graph, x, targets, rng
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
        order = self.rng.permutation(len(self.x))
        for at in range(0, len(order), BATCH):
            rows = order[at:at + BATCH]
            self._step(self.x[rows], self.targets[rows], scales, shifts, rate)

    def _step(self, x, targets, scales, shifts, rate):
        layers, kept = self.graph.layers, []
        x, _ = _rounded(x, *scales[0])
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
        # softmax or sigmoid with cross-entropy: the gradient before the activation is y - target
        gradient = (x - targets) / len(x)
        skipped = len(layers) - 1 if layers[-1].kind in ("softmax", "sigmoid") else None
        self.steps += 1
        for i in reversed(range(len(layers))):
            x, w, inside, y, open_ = kept[i]
            gradient = gradient * open_
            if layers[i].kind == "dense":
                changes = (x.T @ gradient) * inside, gradient.sum(0)
                gradient = gradient @ w.T
                self._adam(i, changes, rate)
            elif i != skipped:
                gradient = gradient * _slope(layers[i], x, y)

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


def _slope(layer, x, y):
    """Derivative of an elementwise activation, of its input x and result y."""
    kind = layer.kind
    if kind == "relu":
        return x > 0
    if kind == "leaky_relu":
        return np.where(x > 0, 1, layer.alpha)
    if kind == "elu":
        return np.where(x > 0, 1, y + layer.alpha)
    if kind == "sigmoid":
        return y * (1 - y)
    if kind == "tanh":
        return 1 - y * y
    if kind == "softsign":
        return (1 - np.abs(y)) ** 2
    raise ConversionError(f"layer {layer.name!r} is a softmax in the middle: it cannot be trained")
