from array import array
from collections.abc import Sequence
from typing import Any, Final, Literal

from . import q7 as q7
from .layers import ELU as ELU
from .layers import Dense as Dense
from .layers import Input as Input
from .layers import LeakyReLU as LeakyReLU
from .layers import ReLU as ReLU
from .layers import Sequential as Sequential
from .layers import Sigmoid as Sigmoid
from .layers import Softmax as Softmax
from .layers import Softsign as Softsign
from .layers import Tanh as Tanh
from .quantizer import Quantizer as Quantizer
from .quantizer import quantize as quantize

__version__: str
__all__: Final = ("load", "Model", "ModelError")

_Bytes = bytes | bytearray | memoryview
_Writable = bytearray | memoryview | array[Any]
_Engine = Literal["native", "viper", "python"]

class ModelError(ValueError): ...

def load(
    source: str | _Bytes, arena: _Writable | None = None, engine: _Engine | None = None
) -> Model: ...

def finite(x: _Bytes | array[Any] | Sequence[float]) -> bool: ...

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
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    input_dtype: str
    output_dtype: str
    input_scale: float | tuple[float, ...]
    output_scale: float | tuple[float, ...]
    input_zero_point: int | tuple[int, ...]
    output_zero_point: int | tuple[int, ...]
    metadata: dict[str, Any]
    labels: list[str] | None
    input: memoryview
    output: memoryview
    engine: _Engine
    def forward(self) -> None: ...
    def run(self, x: _Bytes | array[Any], y: _Writable) -> None: ...
    def swap(self, other: Model) -> None: ...
    def classify(
        self, x: _Bytes | array[Any] | Sequence[float]
    ) -> tuple[str | int, float]: ...
    def save(self, path: str) -> None: ...
    def predict(self, values: Sequence[float]) -> list[float]: ...
