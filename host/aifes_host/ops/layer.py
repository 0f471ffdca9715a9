"""What the frame asks a layer of the float network; a layer's class says what differs from this."""

LEAST = 1 / 512  # of a probability in a loss: half of what Q7 can tell from 0


class Layer:
    """kind, name: what it is, what it is called; label: how it stands in a graph's repr.

    parameters: how many weights and biases it has; trained: the names of its fields with them; if
        any, it has stored_shifts(), as_stored() and parameter_gradients().
    elementwise: scales of the layer before may be chosen by what is left behind this one; it has
        behind(), kind and start, for scales.best_scale, and seen().
    by_element: its inputs and results may have a scale for each element.
    pixels: its input is an image, whose pixels it treats alike.
    placed: it is no op: its inputs lie in its result, one after another.
    keeps: its result has the scale of its input, int8 models compute nothing else.
    linear: it has scaled(inputs, results), which puts factors into it, and equalized().
    passes: a factor of a channel of its input is one of its result.
    in_aifes, in_float32: whether AIfES has it, and float32 models.
    choices: fields of walk.Choice that its quantize() heeds.
    boundary: what a single result must exceed to mean "yes".
    classes: whether the results belong to classes, of which the largest is meant.
    ends: (low, high) of results that have ends and are no probabilities, else None.
    probable: results are probabilities or logarithms of them: it has cross_entropy(y, t), the mean
        over the samples for targets t, and probabilities(y), minus t the gradient of its input.
    """

    elementwise = by_element = pixels = placed = keeps = False
    passes = linear = in_aifes = probable = classes = False
    in_float32 = True
    parameters = 0
    trained = choices = ()
    boundary = 0
    ends = None

    @property
    def label(self):
        return self.kind

    def shape(self, x):
        """Of the result, for shapes of the inputs; ConversionError if these do not fit."""
        return x

    def __call__(self, *x):
        """The result in floats; x: arrays [samples, elements], as in all that follows."""
        raise NotImplementedError

    def quantize(self, walk, node):
        """Add the int8 ops of a graph's Node to a walk.Walk."""
        raise NotImplementedError

    def stands_for(self, x):
        """The elementwise layer that needs as much of its input x, float results, or None."""
        return self if self.elementwise else None

    def factored(self):
        """As float32 models have it: a layer, and the factors by which its input and its result
        differ from this one's."""
        return self, 1.0, 1.0

    def float_op(self, n):
        """The Draft of its float32 op; n: elements of the result."""
        raise NotImplementedError

    def float32(self, *x):
        """The result as that op computes it; in floats where float32 models do not have it."""
        raise NotImplementedError

    def gradients(self, x, y, g):
        """For each of the inputs x (a list), of the gradient g of the result y."""
        raise NotImplementedError

    def warnings(self, y, classes):
        """What is wrong with the results y on the calibration data: a list of sentences.

        classes: names of the outputs, or empty; None if the layer is no output of the network.
        """
        if (y == y[0]).all():
            return [f"layer {self.name!r} gives the same for all samples: its range is a guess"]
        return []
