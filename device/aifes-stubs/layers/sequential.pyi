from array import array
from collections.abc import Sequence
from typing import Any, Literal

from .. import Model
from . import image

_Q = tuple[int, int]  # shift, zero point
_Alpha = float | tuple[int, int, int]  # a number, or a Q7 scalar: value, shift, zero point
_Bytes = bytes | bytearray | memoryview
# of a network of int8, of float32
_Weights = _Bytes | array[int] | array[float] | Sequence[float]
_Bias = Sequence[int] | _Bytes | array[float] | Sequence[float]

class Input:
    kind: str
    shape: tuple[int, ...]
    q: _Q | None
    parameters: int
    def __init__(self, shape: int | Sequence[int], q: _Q | None = None) -> None: ...

class Dense:
    kind: str
    n: int
    weights: _Weights | None
    bias: _Bias | None
    weights_q: _Q | None
    result_q: _Q | None
    transposed: bool
    def __init__(
        self,
        n: int,
        weights: _Weights | None = None,
        bias: _Bias | None = None,
        weights_q: _Q | None = None,
        result_q: _Q | None = None,
        transposed: bool = False,
    ) -> None: ...

class _Activation:
    alpha: _Alpha | None

class ReLU(_Activation):
    kind: str

class LeakyReLU(_Activation):
    kind: str
    def __init__(self, alpha: _Alpha = 0.01) -> None: ...

class ELU(_Activation):
    kind: str
    def __init__(self, alpha: _Alpha = 1.0) -> None: ...

class Sigmoid(_Activation):
    kind: str

class Tanh(_Activation):
    kind: str

class Softsign(_Activation):
    kind: str

class Softmax:
    kind: str

_Layer = Dense | _Activation | Softmax | image._Layer

class Sequential:
    layers: Sequence[Input | _Layer]
    exact: bool
    name: str
    dtype: str
    def __init__(
        self,
        layers: Sequence[Input | _Layer],
        exact: bool = False,
        name: str = "network",
        dtype: Literal["b", "f"] = "b",
    ) -> None: ...
    def parameter_memory_size(self, align: int = 4) -> int: ...
    def load_parameters(self, buf: _Bytes, align: int = 4) -> None: ...
    def inference_memory_size(self) -> int: ...
    def to_bytes(self) -> bytearray: ...
    def schedule_inference_memory(
        self, arena: bytearray | memoryview | array[Any] | None = None
    ) -> Model: ...
