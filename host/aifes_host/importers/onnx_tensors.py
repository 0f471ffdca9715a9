"""The constants of an ONNX model: in the file itself, or in another one beside it.

Both may come from anywhere: sizes are compared with what is there before anything is read.
"""
import math

import numpy as np
import onnx

from ..graph import ConversionError
from .folding import MOST

FLOATS = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
PLAIN = {  # types that are numbers of their own bytes
    onnx.TensorProto.FLOAT: "<f4", onnx.TensorProto.DOUBLE: "<f8", onnx.TensorProto.INT64: "<i8",
    onnx.TensorProto.INT32: "<i4", onnx.TensorProto.INT16: "<i2", onnx.TensorProto.INT8: "i1",
    onnx.TensorProto.UINT64: "<u8", onnx.TensorProto.UINT32: "<u4", onnx.TensorProto.UINT16: "<u2",
    onnx.TensorProto.UINT8: "u1", onnx.TensorProto.BOOL: "?", onnx.TensorProto.FLOAT16: "<f2",
    onnx.TensorProto.BFLOAT16: "<u2"}


def dimensions(info):
    """The shape of an input or output, None where it is open; None if it is not told at all."""
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not kind.HasField("shape"):
        return None
    return [d.dim_value if d.dim_value > 0 else None for d in kind.shape.dim]


class Tensors:
    """The initializers of a graph by name, each read when it is asked for."""

    def __init__(self, graph, folder):
        self.protos = {t.name: t for t in graph.initializer}
        self.folder = folder

    def __contains__(self, name):
        return name in self.protos

    def get(self, name, default=None):
        return self.array(self.protos[name], name, self.folder) if name in self.protos else default

    def names(self, name):
        """The values of an initializer, which may be texts."""
        proto = self.protos[name]
        return list(proto.string_data) or self.get(name).ravel().tolist()

    @staticmethod
    def array(proto, name, folder=None):
        """The NumPy array of a TensorProto."""
        kind, shape = proto.data_type, list(proto.dims)
        if kind not in PLAIN:
            raise ConversionError(f"the constant {name!r} is of a type that cannot be converted: "
                                  "export the network in float32")
        if min(shape, default=0) < 0 or math.prod(shape) > MOST:
            raise ConversionError(f"the constant {name!r} has the shape {shape}: a board holds no "
                                  f"more than {MOST} numbers")
        if proto.data_location != onnx.TensorProto.EXTERNAL:
            value = onnx.numpy_helper.to_array(proto)
            return value.astype(np.float32) if kind in FLOATS else value
        dtype = np.dtype(PLAIN[kind])
        raw = _external(proto, name, folder, math.prod(shape) * dtype.itemsize)
        value = np.frombuffer(raw, dtype)
        if kind == onnx.TensorProto.BFLOAT16:
            value = (value.astype("<u4") << 16).view("<f4")
        return (value.astype(np.float32) if kind in FLOATS else value).reshape(shape)


def _external(proto, name, folder, size):
    """The bytes of a tensor that are in another file of the folder."""
    entries = {e.key: e.value for e in proto.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise ConversionError(f"the constant {name!r} is in a file of its own, {location!r}: load "
                              "the model with onnx.load(path), which reads that too")
    folder = folder.resolve()
    path = (folder / location).resolve()
    if not location or not path.is_relative_to(folder):
        raise ConversionError(f"the model's weights are in {location!r}, outside of its folder, "
                              "where nothing is read: export it again")
    if not path.is_file():
        raise ConversionError(f"the model's weights are in {location!r}, which is not beside it: "
                              "copy both files into one folder")
    offset, length = int(entries.get("offset") or 0), int(entries.get("length") or size)
    if offset < 0 or length != size or offset + size > path.stat().st_size:
        raise ConversionError(f"the constant {name!r} is not whole in {location!r}: copy both "
                              "files again")
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)
