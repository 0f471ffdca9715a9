from array import array
from collections.abc import Callable, Sequence
from typing import Any, Literal

from . import Model
from .layers.sequential import Sequential

_Samples = Sequence[Sequence[float]] | array[float] | memoryview
_Memory = bytearray | memoryview
_Method = Literal["mse", "aifes"]
_Report = Callable[[str], Any] | None

def quantize(
    net: Sequential | Model,
    samples: _Samples,
    memory: _Memory | None = None,
    method: _Method = "mse",
    report: _Report = ...,
) -> Model: ...

class Quantizer:
    method: str
    def __init__(self, net: Sequential | Model, method: _Method = "mse") -> None: ...
    def parameter_memory_size(self) -> int: ...
    def heap_size(self) -> int: ...
    def run(
        self, samples: _Samples, memory: _Memory | None = None, report: _Report = ...
    ) -> Model: ...
    def parameters(self, align: int = 4) -> bytearray: ...
