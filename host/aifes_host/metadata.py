"""The metadata of a buffer: what people are told of the network."""
import json


def encoded(graph, rows, made):
    """The JSON (bytes) of docs/format.md. rows: [layer, elements, parameters, shift, zero point].

    made: by what.
    """
    meta = {"name": graph.name, "layers": rows, "made": made}
    if graph.labels:
        meta["labels"] = [str(v) for v in graph.labels]
    if graph.boundary is not None:
        meta["boundary"] = graph.boundary
    return json.dumps(meta, ensure_ascii=False).encode()
