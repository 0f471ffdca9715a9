"""How the layers of a Keras model are connected: Sequential, Functional, one within another."""
from dataclasses import dataclass, field

from ..graph import ConversionError
from .builder import Builder
from .keras_layers import JOINING, LAYERS, OPERATORS, Layer, input_shape, operator, with_number
from .nodes import MOST_NODES

MODELS = ("Sequential", "Functional", "Model")


def layer_name(layer):
    """Of a layer or model, given as its configuration."""
    config = layer["config"]
    inner = config.get("name") if isinstance(config, dict) else None
    return inner or layer.get("name") or layer["class_name"]


def must_be_model(kind, name):
    """ConversionError unless models of this class are described by their configuration."""
    if kind not in MODELS:
        raise ConversionError(f"the model {name!r} is a {kind}: only Sequential and Functional "
                              "models can be converted")


@dataclass
class Walk:
    """Makes the Values of models; source: of the layers' variables.

    taken_back: names of layers whose weights Keras had quantized; calls: of layers, so far.
    """

    source: object
    builder: Builder
    taken_back: list = field(default_factory=list)
    calls: int = 0

    def network(self, model, names):
        """{name: Value} of the outputs called `names`, or of the only one if None."""
        made = self._model(model, (), None)
        if names is None:
            if len(made) != 1:
                raise ConversionError(f"the model {layer_name(model)!r} has {len(made)} outputs "
                                      f"({_listed(made)}): say which one with --output NAME "
                                      "(output=NAME in Python)")
            names = list(made)
        chosen = {}
        for name in names:
            found = [key for key, (layer, _) in made.items() if name in (key, layer)]
            if len(found) != 1:
                raise ConversionError(f"the model {layer_name(model)!r} has no output {name!r}: it "
                                      f"has {_listed(made)}")
            chosen[name] = made[found[0]][1]
        return chosen

    def _model(self, model, trail, given):
        """{name: (layer, Value)} of all outputs; given: the Values of the inputs, None: new ones"""
        must_be_model(model["class_name"], layer_name(model))
        config = model["config"]
        if isinstance(config, list):  # a Sequential of Keras 2.0 to 2.2
            config = {"layers": config}
        if model["class_name"] == "Sequential":
            return self._sequential(config["layers"], layer_name(model), trail, given)
        return self._functional(config, layer_name(model), trail, given)

    def _sequential(self, layers, model, trail, given):
        if not layers:
            raise ConversionError(f"the model {model!r} has no layers")
        first = layers[0]
        name = layer_name(first) if first["class_name"] == "InputLayer" else "input"
        values = given or [self.builder.input(name)]
        for layer in layers:
            values = self._call(layer, trail, values)
        if len(values) != 1:
            raise ConversionError(f"the model {model!r} is a Sequential with {len(values)} outputs")
        return {layer_name(layers[-1]): (layer_name(layers[-1]), values[0])}

    def _functional(self, config, model, trail, given):
        layers = {layer_name(layer): layer for layer in config["layers"]}
        called = _Calls(layers, config["output_layers"])
        ends = config["output_layers"]
        if isinstance(ends, dict):
            ends = {key: called.key(_histories(end)[0], True) for key, end in ends.items()}
        else:
            found = [called.key(h, True) for h in _histories(ends)]
            names = [layer for layer, _, _ in found]
            ends = {layer if names.count(layer) == 1 else f"{layer}:{i}": key
                    for i, (layer, key) in enumerate(zip(names, found))}
        inputs = [h[0] for h in _histories(config.get("input_layers") or []) if h[0] in layers]
        if given is None:
            given = [self.builder.input(name) for name in inputs]
        if len(given) != len(inputs):
            raise ConversionError(f"the model {model!r} has {len(inputs)} inputs but is called "
                                  f"with {len(given)} values")
        known = dict(zip(inputs, given))
        values = {}
        for name, number in called.in_order([key[:2] for key in ends.values()]):
            layer, reads = layers[name], called.reads[name, number]
            read = [self._result(values[r[:2]], r) for r in reads]
            if name in known:
                read = [known[name]]
            elif not reads:
                raise ConversionError(f"layer {name!r} has no input: the model must begin with "
                                      "Input layers")
            if operator(layer):
                read = _operands(layer["inbound_nodes"][number], read)
            values[name, number] = self._call(layer, trail, read)
        return {name: (key[0], self._result(values[key[:2]], key)) for name, key in ends.items()}

    @staticmethod
    def _result(results, key):
        if key[2] >= len(results):
            raise _missing(key[0])
        return results[key[2]]

    def _call(self, layer, trail, read):
        """What a layer or a model within the model makes of Values: a list."""
        kind, name = layer["class_name"], layer_name(layer)
        self.calls += 1
        if self.calls > MOST_NODES:
            raise ConversionError(f"the network has more than {MOST_NODES} layers: more than a "
                                  "board can run")
        if kind in MODELS:
            return [value for _, value in self._model(layer, (*trail, name), read).values()]
        known = Layer(kind, layer["config"], name, self.source.version,
                      lambda: self.source.variables(trail, layer))
        known.check(layer)
        if operator(layer):
            x, y = read
            if isinstance(x, float):
                return [with_number(kind, y, x, True, name)]
            return [with_number(kind, x, y, False, name) if isinstance(y, float)
                    else OPERATORS[kind](x, y, name)]
        if len(read) != 1 and kind not in JOINING:
            raise ConversionError(f"layer {name!r} ({kind}) takes {len(read)} inputs: of layers "
                                  f"that do, only {' and '.join(JOINING)} can be converted")
        shape = input_shape(known.config)
        if read[0].shape is None and shape is not None:
            read[0].tell(shape)
        made = LAYERS[kind](known, *read)
        if known.taken_back:
            self.taken_back.append(name)
        return [made]


class _Calls:
    """The calls of the layers of a Functional model, each with the results that it reads.

    reads: {(layer, number of the call): [(layer, number of the call, number of the result)]}
    """

    def __init__(self, layers, ends):
        nodes = {name: layer.get("inbound_nodes") or [] for name, layer in layers.items()}
        self.layers = layers
        self.counts = {name: max(1, len(found)) for name, found in nodes.items()}
        histories = [h for found in (*nodes.values(), ends) for h in _histories(found)]
        # Keras counts the call by which a model was made, which is not one of these: Keras 3 only
        # where it lists the outputs
        self.keras_3 = any(isinstance(node, dict) for found in nodes.values() for node in found)
        self.last = {}
        for name, number, _ in histories:
            self.last[name] = max(number, self.last.get(name, 0))
        self.reads = {}
        for name, found in nodes.items():
            for i, node in enumerate(found or [[]]):
                if _trains(node):
                    raise ConversionError(f"layer {name!r} is called with training=True: build "
                                          "the model without it")
                self.reads[name, i] = [self.key(h) for h in _histories(node)]

    def key(self, history, end=False):
        """(layer, number of the call, number of the result) of a history that Keras wrote.

        end: among the outputs.
        """
        name, number, result = history
        if name not in self.layers:
            raise ConversionError(f"the model has no layer {name!r}, which it uses: save it again "
                                  "with model.save('model.keras')")
        kind, n = self.layers[name]["class_name"], self.counts[name]
        if kind in ("Functional", "Model") if self.keras_3 else kind in MODELS:
            number -= end if self.keras_3 else self.last[name] >= n
        number = 0 if n == 1 else number
        if not 0 <= number < n or result < 0 or kind not in MODELS and result:
            raise _missing(name)
        return name, number, result

    def in_order(self, ends):
        """The calls that these need, each behind those whose results it reads."""
        found, begun, left = {}, set(), [(end, False) for end in reversed(ends)]
        while left:
            call, done = left.pop()
            if done:
                found[call] = None
            elif call not in found:
                if call in begun:
                    raise ConversionError("the layers of the model form a circle: it cannot be "
                                          "computed")
                begun.add(call)
                left.append((call, True))
                left += [(read[:2], False) for read in reversed(self.reads[call])]
        return list(found)


def _missing(name):
    return ConversionError(f"the model uses a result of layer {name!r} that it does not have: save "
                           "it again with model.save('model.keras')")


def _operands(node, read):
    """The two arguments of x + y: numbers, and the Values that it reads."""
    read, found = list(read), []
    for v in [*node["args"], *node["kwargs"].values()]:
        if isinstance(v, (int, float)):
            found.append(float(v))
        elif read and _histories(v):
            found.append(read.pop(0))
    if len(found) != 2 or read:
        raise ConversionError("the model computes with something that is neither a number nor a "
                              "layer's result: use the layers of Keras, such as Add")
    return found


def _listed(made):
    return ", ".join(repr(name) for name in made)


def _histories(node):
    """[(layer, call, result)] that a node of Keras 2 ([name, 0, 0, {}]) or 3 (keras_history) reads.
    """
    if isinstance(node, dict):
        if "keras_history" in node:
            return [tuple(node["keras_history"][:3])]
        return [h for v in node.values() for h in _histories(v)]
    if isinstance(node, (list, tuple)):
        if len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int):
            return [tuple(node[:3])] + [h for v in node[3:] for h in _histories(v)]
        return [h for v in node for h in _histories(v)]
    history = getattr(node, "_keras_history", None)
    return [] if history is None else [(history[0].name, *history[1:3])]


def _trains(node):
    """Whether a call asks for what a layer does in training, such as a dropout that stays."""
    if isinstance(node, dict):
        return node.get("training") in (True, 1) or any(_trains(v) for v in node.values())
    return isinstance(node, (list, tuple)) and any(_trains(v) for v in node)
