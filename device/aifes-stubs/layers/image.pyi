from collections.abc import Sequence

from .sequential import _Q, _Bias, _Bytes, _Weights

_Pair = int | Sequence[int]  # of rows and columns; one number for both
_Numbers = _Bytes | Sequence[float]

class Conv2D:
    kind: str
    n: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    weights: _Weights | None
    bias: _Bias | None
    weights_q: _Q | None
    result_q: _Q | None
    channels_first: bool
    def __init__(
        self,
        n: int,
        kernel: _Pair,
        stride: _Pair = 1,
        padding: _Pair = 0,
        dilation: _Pair = 1,
        weights: _Weights | None = None,
        bias: _Bias | None = None,
        weights_q: _Q | None = None,
        result_q: _Q | None = None,
        channels_first: bool = False,
    ) -> None: ...

class Conv1D(Conv2D):
    def __init__(
        self,
        n: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        weights: _Weights | None = None,
        bias: _Bias | None = None,
        weights_q: _Q | None = None,
        result_q: _Q | None = None,
        channels_first: bool = False,
    ) -> None: ...

class MaxPool2D:
    kind: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    def __init__(
        self, kernel: _Pair, stride: _Pair | None = None, padding: _Pair = 0
    ) -> None: ...

class AvgPool2D(MaxPool2D):
    kind: str

class Flatten:
    kind: str
    channels_first: bool
    def __init__(self, channels_first: bool = False) -> None: ...

class BatchNorm:
    kind: str
    beta: _Numbers | None
    gamma: _Numbers | None
    mean: _Numbers | None
    variance: _Numbers | None
    eps: float
    def __init__(
        self,
        beta: _Numbers | None = None,
        gamma: _Numbers | None = None,
        mean: _Numbers | None = None,
        variance: _Numbers | None = None,
        eps: float = 1e-6,
    ) -> None: ...

_Layer = Conv2D | MaxPool2D | Flatten | BatchNorm
