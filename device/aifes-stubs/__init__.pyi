from array import array
from collections.abc import Sequence
from typing import Any, Final, Literal

from .layers import q7 as q7
from .layers.image import AvgPool2D as AvgPool2D
from .layers.image import BatchNorm as BatchNorm
from .layers.image import Conv1D as Conv1D
from .layers.image import Conv2D as Conv2D
from .layers.image import Flatten as Flatten
from .layers.image import MaxPool2D as MaxPool2D
from .layers.sequential import ELU as ELU
from .layers.sequential import Dense as Dense
from .layers.sequential import Input as Input
from .layers.sequential import LeakyReLU as LeakyReLU
from .layers.sequential import ReLU as ReLU
from .layers.sequential import Sequential as Sequential
from .layers.sequential import Sigmoid as Sigmoid
from .layers.sequential import Softmax as Softmax
from .layers.sequential import Softsign as Softsign
from .layers.sequential import Tanh as Tanh
from .quantizer import Quantizer as Quantizer
from .quantizer import quantize as quantize

__version__: str
__all__: Final = ("load", "Model", "ModelError")

_Bytes = bytes | bytearray | memoryview
_Writable = bytearray | memoryview | array[Any]
_Buffer = _Bytes | array[Any]
_Engine = Literal["native", "viper", "python"]

class ModelError(ValueError): ...

def load(
    source: str | _Bytes, arena: _Writable | None = None, engine: _Engine | None = None
) -> Model: ...

def finite(x: _Buffer | Sequence[float]) -> bool: ...

class Model:
    def __init__(
        self,
        buf: _Bytes,
        arena: _Writable | None = None,
        engine: _Engine | None = None,
        plan: Any = None,
    ) -> None: ...
    len: int
    ram: int
    # of several inputs or outputs a tuple with one of these for each
    input_shape: tuple[Any, ...]
    output_shape: tuple[Any, ...]
    input_dtype: str | tuple[str, ...]
    output_dtype: str | tuple[str, ...]
    input_scale: float | tuple[Any, ...]
    output_scale: float | tuple[Any, ...]
    input_zero_point: int | tuple[Any, ...]
    output_zero_point: int | tuple[Any, ...]
    metadata: dict[str, Any]
    labels: list[str] | None
    input: memoryview
    output: memoryview
    inputs: tuple[memoryview, ...]
    outputs: tuple[memoryview, ...]
    engine: _Engine
    def forward(self) -> None: ...
    def run(
        self,
        x: _Buffer | tuple[_Buffer, ...],
        y: _Writable | tuple[_Writable, ...],
    ) -> None: ...
    # of a model whose input comes row by row: there is no `input`
    def push(self, row: _Buffer, y: _Writable | None = None) -> bool: ...
    def reset(self) -> None: ...
    def swap(self, other: Model) -> None: ...
    def classify(
        self, x: _Buffer | Sequence[float]
    ) -> tuple[str | int, float]: ...
    def save(self, path: str) -> None: ...
    # of several inputs a sequence of such sequences, of several outputs a list of lists
    def predict(self, values: Sequence[float] | Sequence[Sequence[float]]) -> list[Any]: ...
