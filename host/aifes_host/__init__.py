"""The PC side of AIfES for MicroPython: float network in, one .aifes buffer out.

    graph = from_model(live_model)         # or read_network("net.keras")
    result = quantize(graph, calibration_data)
    open("net.aifes", "wb").write(result.model)
"""
from .finetune import finetune
from .float32 import float_model
from .graph import ConversionError, Graph, Node, Tensor, sequential
from .importers import from_model
from .layout import by_rows
from .ops import Activation, Add, Concat, Conv, Dense, Multiply, Pool, Softmax
from .quantizer import quantize
from .search import search
from .simulator import Simulator, simulate
from .sources import read_data, read_network

__all__ = ["Activation", "Add", "Concat", "Conv", "ConversionError", "Dense", "Graph",
           "Multiply", "Node", "Pool", "Simulator", "Softmax", "Tensor", "by_rows", "finetune",
           "float_model", "from_model", "quantize", "read_data", "read_network", "search",
           "sequential", "simulate"]
