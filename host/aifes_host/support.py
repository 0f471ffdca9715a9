"""Which layers run as what: plain data for the tables of the docs, held by a test."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Support:
    """int8: made by `aifes quantize`; float32: by `aifes convert`; on_board: aifes.quantize() takes
    it from a float32 model. "between": between dense layers only, of which it becomes a part."""

    title: str
    int8: bool
    float32: bool | str
    on_board: bool | str


ALL = True, True, True
INT8 = True, False, False
FOLDED = True, "between", "between"  # the board quantizes what it was folded into
SUPPORT = {
    "dense": Support("dense", *ALL),
    "conv": Support("convolution, also depthwise, in groups, dilated, transposed", *ALL),
    "max_pool": Support("max pooling", *ALL),
    "average_pool": Support("average pooling", *ALL),
    "relu": Support("ReLU", *ALL),
    "leaky_relu": Support("Leaky ReLU, PReLU with one parameter", *ALL),
    "elu": Support("ELU", *ALL),
    "sigmoid": Support("sigmoid", *ALL),
    "tanh": Support("tanh", *ALL),
    "softsign": Support("softsign", *ALL),
    "softmax": Support("softmax", *ALL),
    "selu": Support("SELU", *FOLDED),
    "celu": Support("CELU", *FOLDED),
    "clamp": Support("clamp, ReLU6, hard tanh", *INT8),
    "hard_sigmoid": Support("hard sigmoid", *INT8),
    "hard_swish": Support("hard swish", *INT8),
    "gelu": Support("GELU", *INT8),
    "gelu_tanh": Support("GELU by tanh", *INT8),
    "silu": Support("SiLU, swish", *INT8),
    "softplus": Support("softplus", *INT8),
    "mish": Support("mish", *INT8),
    "log_sigmoid": Support("log sigmoid", *INT8),
    "log_softmax": Support("log softmax", *INT8),
}
