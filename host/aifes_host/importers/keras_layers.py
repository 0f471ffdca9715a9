"""What each layer and activation of Keras computes, as steps of a Value."""
import math
from dataclasses import dataclass

import numpy as np

from ..graph import ConversionError
from . import keras_images
from .folding import batch_norm
from .value import Value

OPERATORS = {"Add": Value.plus, "Subtract": Value.minus, "Multiply": Value.times}

ROOTS = ("keras", "tf_keras", "tensorflow")
# by the names that Keras has for functions: kind, alpha, beta; hard_sigmoid: _hard_sigmoid()
FUNCTIONS = {
    "linear": None, "relu": ("relu",), "relu6": ("clamp", 0, 6), "leaky_relu": ("leaky_relu", 0.2),
    "elu": ("elu", 1), "selu": ("selu",), "celu": ("celu", 1), "gelu": ("gelu",),
    "silu": ("silu",), "swish": ("silu",), "mish": ("mish",), "softplus": ("softplus",),
    "softsign": ("softsign",), "sigmoid": ("sigmoid",), "hard_sigmoid": ("hard_sigmoid",),
    "hard_silu": ("hard_swish",), "hard_swish": ("hard_swish",), "tanh": ("tanh",),
    "hard_tanh": ("clamp", -1, 1), "log_sigmoid": ("log_sigmoid",), "softmax": ("softmax",),
    "log_softmax": ("log_softmax",)}


def foreign(module):
    """Whether something was defined elsewhere than in Keras."""
    return module.split(".")[0] not in ROOTS


@dataclass
class Layer:
    """One layer; variables(): [(name, array)], the name None where the file has numbers only."""

    kind: str
    config: dict
    name: str
    version: str
    variables: object
    taken_back: bool = False  # from Keras's int8

    def check(self, entry):
        """Refuse what is not a layer of Keras; entry: the layer as the model's config has it."""
        module = entry.get("module", "keras.layers") or ""
        if operator(entry):
            return
        if foreign(module) or ">" in (entry.get("registered_name") or ""):
            raise ConversionError(f"layer {self.name!r} is a custom {self.kind}: use Keras's own "
                                  f"layers: {', '.join(LAYERS)}")
        if self.kind not in LAYERS or "layers" not in module.split("."):
            raise ConversionError(f"layer {self.name!r} is a {self.kind}, which cannot be "
                                  f"converted: use {', '.join(LAYERS)}")

    def take(self, *names, optional=(), codes=()):
        """The variables by name, as float64, those in codes as integers; exactly these."""
        found = self.variables()
        if found and found[0][0] is None:
            if len(found) != len(names):
                raise ConversionError(f"layer {self.name!r} ({self.kind}) has {len(found)} "
                                      f"variables, not {', '.join(names) or 'none'}: keep to what "
                                      "Keras itself puts into it")
            found = [(name, value) for name, (_, value) in zip(names, found)]
        have = [name for name, _ in found]
        if not found and names:
            raise ConversionError(f"layer {self.name!r} has no weights yet: build or train the "
                                  "model, and save all of it")
        if len(set(have)) != len(have) or set(have) - set(optional) != set(names):
            raise ConversionError(f"layer {self.name!r} ({self.kind}) has the variables "
                                  f"{', '.join(have) or 'none'}, not {', '.join(names) or 'none'}: "
                                  "keep to what Keras itself puts into it")
        return {name: value if name in codes else self._floats(name, value)
                for name, value in found}

    def _floats(self, name, value):
        value = np.asarray(value)
        if value.dtype == np.dtype("V2"):  # bfloat16: the upper half of a float32
            value = (np.frombuffer(value.tobytes(), "<u2").astype("<u4") << 16).view(
                "<f4").reshape(value.shape)
        whole = value.dtype.kind in "iu" and name == "count"
        if value.dtype.kind != "f" and value.dtype.name != "bfloat16" and not whole:
            raise ConversionError(f"layer {self.name!r} has {name} of type {value.dtype}, not "
                                  "float: convert the model as it was before it was quantized")
        with np.errstate(invalid="ignore"):  # NaN: refused with the layer that it belongs to
            return value.astype(np.float64)


def operator(entry):
    """"Add" and so on, if a model has this for x + y, which is not a layer; else None."""
    is_one = (entry.get("module") or "").endswith(".ops.numpy")
    return entry["class_name"] if is_one and entry["class_name"] in OPERATORS else None


def input_shape(config):
    """The input's shape without the batch, which Keras keeps with whatever layer comes first."""
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    return None if shape is None or None in shape[1:] else shape[1:]


def _nothing(layer, x):
    """What does nothing at inference."""
    return x


def _quantized(config):
    """How Keras quantized a layer: None, int8, int4/128, float8 and so on."""
    policy = config.get("dtype")
    if isinstance(policy, dict):
        return policy.get("config", {}).get("mode")
    return policy.split("_from_")[0] if "_from_" in str(policy) else None


def _dense(layer, x):
    config, name = layer.config, layer.name
    if "output_dim" in config or layer.version.startswith("1."):
        raise ConversionError(f"layer {name!r} was saved by Keras 1: load it with Keras 2 and save "
                              "it again")
    mode, units = _quantized(config), config["units"]
    if mode not in (None, "int8"):
        raise ConversionError(f"layer {name!r} was quantized by Keras ({mode}): convert the model "
                              "as it was before model.quantize()")
    names = ["kernel", *(["bias"] if config.get("use_bias", True) else []),
             *(["kernel_scale"] if mode else [])]
    lora = ("lora_kernel_a", "lora_kernel_b") if config.get("lora_rank") else ()
    found = layer.take(*names, optional=lora, codes=("kernel",) if mode else ())
    kernel = found["kernel"]
    shapes = {"kernel": (kernel.shape or (0,))[:1] + (units,), "bias": (units,),
              "kernel_scale": (units,)}
    for key in names:
        if found[key].shape != shapes[key]:
            raise ConversionError(f"layer {name!r} has {key} of shape {found[key].shape}, not "
                                  f"{shapes[key]}")
    if mode:
        if kernel.dtype != np.int8:
            raise ConversionError(f"layer {name!r} is quantized to int8, but its kernel is "
                                  f"{kernel.dtype}")
        kernel, layer.taken_back = kernel / found["kernel_scale"], True
    if lora and lora[0] in found:
        rank = config["lora_rank"]
        kernel = kernel + (config.get("lora_alpha") or rank) / rank * (
            found["lora_kernel_a"] @ found["lora_kernel_b"])
    return _function(config.get("activation"), layer, x.dense(kernel, found.get("bias"), name),
                     inside=True)


def _combination(layer, x, *others):
    layer.take()
    if not others:
        raise ConversionError(f"layer {layer.name!r} is of one value ({layer.kind}): give it two "
                              "or more")
    for i, other in enumerate(others):
        name = layer.name if i == len(others) - 1 else f"{layer.name}/{i}"
        x = OPERATORS[layer.kind](x, other, name)
    return x


def with_number(kind, x, number, first, name):
    """x + number and so on; first: the number stands before x."""
    if kind == "Multiply":
        return x.affine(number, 0, name)
    if kind == "Add":
        return x.affine(1, number, name)
    return x.affine(-1, number, name) if first else x.affine(1, -number, name)


def _concatenate(layer, x, *others):
    layer.take()
    return x.concat(others, layer.config.get("axis", -1), layer.name)


def _activation(layer, x):
    layer.take()
    return _function(layer.config.get("activation"), layer, x)


def _relu(layer, x, inside=""):
    config, name = layer.config, layer.name + inside
    slope, threshold = (float(_number(config.get(key) or 0.0))
                        for key in ("negative_slope", "threshold"))
    most = config.get("max_value")
    most = None if most is None else float(_number(most))
    if threshold or slope < 0 and most is not None:
        raise ConversionError(f"layer {name!r} is a ReLU with threshold {threshold:g}, slope "
                              f"{slope:g}: use one without a threshold")
    if most is None:
        return x.activation("leaky_relu" if slope else "relu", name, slope)
    if not slope:
        return x.activation("clamp", name, 0, most)
    return x.activation("leaky_relu", name, slope).activation(
        "clamp", f"{name}/max", -math.inf, most)


def _leaky_relu(layer, x, inside=""):
    config = layer.config
    return x.activation("leaky_relu", layer.name + inside, _number(
        config.get("negative_slope", config.get("alpha", 0.3))))


def _elu(layer, x, inside=""):
    return x.activation("elu", layer.name + inside, _number(layer.config.get("alpha", 1.0)))


def _softmax(layer, x, inside=""):
    axis, name = layer.config.get("axis", -1), layer.name + inside
    axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
    if axis not in (-1, 1 if x.shape is None else len(x.shape)):
        raise ConversionError(f"layer {name!r} is a softmax over axis {axis}: use axis=-1")
    return x.activation("softmax", name)


def _prelu(layer, x):
    alpha = layer.take("alpha")["alpha"].ravel()
    if not alpha.size or (alpha != alpha[0]).any():
        raise ConversionError(f"layer {layer.name!r} is a PReLU with a slope for each value: give "
                              "it one for all, with shared_axes, or use LeakyReLU")
    return x.activation("leaky_relu", layer.name, alpha[0])


def _flatten(layer, x):
    return keras_images.channels_last(layer, x).flatten(layer.name)


def _with_activation(make):
    """A layer of images with the activation that is its last part, if it has one."""
    return lambda layer, x: _function(layer.config.get("activation"), layer, make(layer, x),
                                      inside=True)


def _reshape(layer, x):
    return x.reshape(layer.config["target_shape"], layer.name)


def _rescaling(layer, x):
    config = layer.config
    return x.affine(_number(config["scale"]), _number(config.get("offset", 0.0)), layer.name)


def _batch_normalization(layer, x):
    config = layer.config
    names = [*(["gamma"] if config.get("scale", True) else []),
             *(["beta"] if config.get("center", True) else []), "moving_mean", "moving_variance"]
    found = layer.take(*names)
    if len({v.shape for v in found.values()}) != 1:
        raise ConversionError(f"layer {layer.name!r} has variables of different shapes")
    slope, offset = batch_norm(found.get("gamma"), found.get("beta"), found["moving_mean"],
                               found["moving_variance"], config["epsilon"])
    axes = config.get("axis", -1)
    return x.affine(*(_spread(v, axes, x) for v in (slope, offset)), layer.name)


def _normalization(layer, x):
    config = layer.config
    found = config if config.get("mean") is not None else layer.take("mean", "variance", "count")
    mean, variance = (np.asarray(_number(found[key]), float) for key in ("mean", "variance"))
    if mean.size != variance.size or (variance < 0).any():
        raise ConversionError(f"layer {layer.name!r} has a variance that fits not its mean")
    deviation = np.maximum(np.sqrt(variance), 1e-7)  # Keras's epsilon
    slope, offset = 1 / deviation, -mean / deviation
    if config.get("invert"):
        slope, offset = deviation, mean
    axes = config.get("axis", -1)
    if axes is None or slope.size == 1:
        slope, offset = slope.ravel()[0], offset.ravel()[0]
    return x.affine(*(_spread(v, axes, x) for v in (slope, offset)), layer.name)


def _spread(values, axes, x):
    """Values along some axes of the tensor (batch counted) in a shape that broadcasts to it."""
    values = np.asarray(values, float)
    if not values.ndim or x.shape is None:
        return values.ravel() if values.ndim else values
    rank = len(x.shape) + 1
    kept = [a % rank for a in (axes if isinstance(axes, (list, tuple)) else [axes])]
    shape = [d if i + 1 in kept else 1 for i, d in enumerate(x.shape)]
    return values.reshape(shape) if math.prod(shape) == values.size else values


def _number(value):
    """A number or list as it is, or out of the dict in which Keras 2 saves an array."""
    if isinstance(value, dict):
        value = value["config"]["value"] if "config" in value else value["value"]
    return np.asarray(value, float)


# layers without variables that Keras takes as an activation as well
AS_ACTIVATION = {"LeakyReLU": _leaky_relu, "ReLU": _relu, "ELU": _elu, "Softmax": _softmax}


def _function(activation, layer, x, inside=False):
    """An activation given as name, serialized object or live function; inside: of a dense layer."""
    name, config = activation, {}
    if isinstance(activation, dict):
        config = activation.get("config")
        name = activation.get("class_name") if isinstance(config, dict) else config
        if name is None:  # the code of a lambda, or what a later Keras writes
            raise ConversionError(f"layer {layer.name!r} has an activation of its own, such as a "
                                  "lambda: use one of Keras's own")
        module = activation.get("module", "keras") or ""
        if foreign(module) or ">" in str(activation.get("registered_name") or ""):
            raise ConversionError(f"layer {layer.name!r} has the custom activation {name!r}: use "
                                  "one of Keras's own")
        if isinstance(config, dict):
            if name in AS_ACTIVATION:
                part = Layer(name, config, layer.name, layer.version, list)
                return AS_ACTIVATION[name](part, x, f"/{name}" if inside else "")
            name = config.get("name", name)
    name = getattr(name, "__name__", name)
    if name is None:
        return x
    if name not in FUNCTIONS:
        raise ConversionError(f"layer {layer.name!r} has the activation {name!r}, which cannot be "
                              f"converted: use one of {', '.join(FUNCTIONS)}")
    found = FUNCTIONS[name]
    if found is None:
        return x
    if name == "hard_sigmoid":  # Keras 3 computes another one than Keras 2
        found = ("hard_sigmoid", *((0.2, 0.5) if layer.version.startswith("2") else (1 / 6, 0.5)))
    kind, *parameters = found
    return x.activation(kind, f"{layer.name}/{name}" if inside else layer.name, *parameters)


JOINING = (*OPERATORS, "Concatenate")  # take several inputs
LAYERS = {
    "InputLayer": _nothing, "Dense": _dense, "Activation": _activation, "ReLU": _relu,
    "LeakyReLU": _leaky_relu, "PReLU": _prelu, "ELU": _elu, "Softmax": _softmax,
    "Flatten": _flatten, "Reshape": _reshape, "Rescaling": _rescaling,
    "Normalization": _normalization, "BatchNormalization": _batch_normalization,
    **dict.fromkeys(OPERATORS, _combination),
    "Concatenate": _concatenate,
    **{name: _with_activation(make) for name, make in keras_images.LAYERS.items()},
    **dict.fromkeys(("Identity", "ActivityRegularization", "Dropout", "AlphaDropout",
                     "GaussianDropout", "GaussianNoise", "SpatialDropout1D", "SpatialDropout2D",
                     "SpatialDropout3D"), _nothing)}
