"""`aifes quantize --finetune`: train on with the rounding in the loop, in NumPy, for small MLPs.

Forward as the board computes it: weights and results rounded to int8; backward as if nothing were
rounded, but for values beyond their range, which get no gradient (straight-through estimator:
Bengio, Leonard, Courville 2013, arXiv 1308.3432). Adam (Kingma, Ba 2015, arXiv 1412.6980).
"""
from dataclasses import replace

import numpy as np

from .graph import ConversionError, Graph, Node
from .losses import goal
from .ops import room
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
    aim = goal(graph, targets, len(x), meant)
    held = np.arange(len(x)) % HELD_BACK == 0
    if held.sum() < 2:
        raise ConversionError(f"{len(x)} samples are too few to train with: give some hundred")
    per_element = not isinstance(start.layers[0].shift, int)
    best = before = aim.value(simulate(start.model, x[held]), held)
    found, epoch_taken = start, 0
    trained = _copy(graph)
    trainer = _Trainer(trained, x, aim, np.flatnonzero(~held), np.random.default_rng(seed))
    trial = build(trained, x, method, per_element)
    for epoch in progress(range(1, EPOCHS + 1)):
        trainer.epoch(trial, epoch)
        trial = build(trained, x, method, per_element)
        loss = aim.value(simulate(trial.model, x[held]), held)
        if loss < best:
            best, epoch_taken = loss, epoch
            # compared with the network as it was trained: that is what fine-tuning is to keep
            found = replace(trial, graph=_copy(trained))
    found.warnings = start.warnings
    found.improved = {"loss": aim.loss, "loss_before": before, "loss_after": best,
                      "epoch": epoch_taken}
    if aim.numbers is not None:
        for when, result in (("before", start), ("after", found)):
            right = result.classify(simulate(result.model, x[held])) == aim.numbers[held]
            found.improved[f"accuracy_{when}"] = float(right.mean())
    return found


def _copy(graph):
    """A Graph with layers of its own."""
    nodes = [Node(replace(node.layer), node.inputs, node.outputs) for node in graph.nodes]
    return Graph(graph.inputs, nodes, graph.outputs, graph.name, graph.labels)


class _Trainer:
    """One network in training, whose layers with parameters it changes."""

    def __init__(self, graph, x, aim, rows, rng):
        self.graph, self.x, self.aim, self.rows, self.rng = graph, x, aim, rows, rng
        self.steps = 0
        self.moments, self.rates = {}, {}
        for node in graph.nodes:
            values = _parameters(node.layer)
            if values:
                self.moments[node.output] = [np.zeros_like(v) for v in values for _ in range(2)]
                self.rates[node.output] = RATE * np.sqrt((values[0] ** 2).mean())

    def epoch(self, result, epoch):
        """Train with all samples once, with the scales of a Quantized of the network as it is."""
        self.shifts = {node.output: room(node.layer).stored_shifts(node.layer)
                       for node in self.graph.nodes if node.layer.trained}
        rate = 0.5 * (1 + np.cos(np.pi * epoch / (EPOCHS + 1)))
        order = self.rows[self.rng.permutation(len(self.rows))]
        for at in range(0, len(order), BATCH):
            self._step(order[at:at + BATCH], result.scales, rate)

    def _step(self, rows, scales, rate):
        graph = self.graph
        seen, open_, kept = {}, {}, {}
        for name, x in graph.split(self.x[rows]).items():
            seen[name], open_[name] = rounded(x, *scales[name])
        for node in graph.nodes:
            layer, inside = node.layer, ()
            if layer.trained:
                layer, inside = room(layer).as_stored(layer, self.shifts[node.output])
            x = [seen[name] for name in node.inputs]
            y = layer(*x)
            kept[node.output] = layer, inside, x, y
            if node.output in graph.outputs:
                seen[node.output], open_[node.output] = y, True
            else:
                seen[node.output], open_[node.output] = rounded(y, *scales[node.output])
        self.steps += 1
        for node, gradient in self._backward(seen, rows):
            layer, inside, x, y = kept[node.output]
            gradient = gradient * open_[node.output]
            changes = [g * i for g, i in zip(room(layer).parameter_gradients(layer, x, gradient),
                                             inside)] if layer.trained else []
            for name, g in zip(node.inputs, self._through(node, layer, x, y, gradient)):
                self.gradients[name] = self.gradients.get(name, 0) + g
            if changes:
                self._adam(node, changes, rate)

    def _backward(self, seen, rows):
        """The nodes from the last to the first, each with the gradient of its result."""
        graph = self.graph
        y = graph.joined(seen)
        ends = np.cumsum([graph.tensors[name].size for name in graph.outputs])[:-1]
        first = np.split(self.aim.gradient(y, rows) / len(y), ends, axis=1)
        self.gradients = dict(zip(graph.outputs, first))
        for node in reversed(graph.nodes):
            yield node, self.gradients[node.output]

    def _through(self, node, layer, x, y, gradient):
        """The gradients of a node's inputs."""
        if self.aim.before_activation and node.output == self.graph.outputs[0]:
            return [gradient]
        return room(layer).gradients(layer, x, y, gradient)

    def _adam(self, node, gradients, rate):
        m, new = self.moments[node.output], []
        for k, (value, g) in enumerate(zip(_parameters(node.layer), gradients)):
            m[2 * k] = 0.9 * m[2 * k] + 0.1 * g
            m[2 * k + 1] = 0.999 * m[2 * k + 1] + 0.001 * g * g
            first = m[2 * k] / (1 - 0.9 ** self.steps)
            second = m[2 * k + 1] / (1 - 0.999 ** self.steps)
            new.append(value - rate * self.rates[node.output] * first / (np.sqrt(second) + 1e-8))
        node.layer = replace(node.layer, **dict(zip(node.layer.trained, new)))


def _parameters(layer):
    return [getattr(layer, name) for name in layer.trained]
