"""The PC side of AIfES for MicroPython: float network in, one .aifes buffer out.

    graph = from_model(sklearn_or_torch_or_description)
    result = quantize(graph, calibration_data)
    open("net.aifes", "wb").write(result.model)
"""
from .graph import Activation, ConversionError, Dense, Graph
from .importers import from_model
from .quantizer import quantize
from .simulator import Simulator, simulate

__all__ = ["Activation", "ConversionError", "Dense", "Graph", "Simulator", "from_model",
           "quantize", "simulate"]
