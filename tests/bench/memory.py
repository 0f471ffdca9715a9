"""Bytes of parameters and of the arena, beside AIfES's own figures for the same networks."""
import json
from pathlib import Path

import aifes
from rich.console import Console
from rich.table import Table

GOLDEN = Path(__file__).parents[1] / "golden" / "float_fnns.json"
LAYERS = {"relu": aifes.ReLU, "leaky_relu": aifes.LeakyReLU, "elu": aifes.ELU,
          "sigmoid": aifes.Sigmoid, "tanh": aifes.Tanh, "softsign": aifes.Softsign,
          "softmax": aifes.Softmax}


def networks():
    """(record, Sequential) of AIfES's figures; its int32 networks (q31) have no counterpart."""
    for record in json.loads(GOLDEN.read_text())["memory"]:
        if record["dtype"] == "q31":
            continue
        layers = [aifes.Input(record["in_shape"][0])]
        for kind, *arguments in record["layers"]:
            layers.append(aifes.Dense(*arguments) if kind == "dense" else LAYERS[kind]())
        yield record, aifes.Sequential(layers, dtype="f" if record["dtype"] == "f32" else "b")


def main():
    table = Table(title="memory in bytes: aifes / AIfES")
    for title in ("network", "numbers", "parameters", "AIfES", "arena", "AIfES"):
        table.add_column(title, justify="left" if title == "network" else "right")
    for record, net in networks():
        sizes = "-".join(str(n) for n in [record["in_shape"][0]] + [
            v[1] for v in record["layers"] if v[0] == "dense"])
        table.add_row(sizes, {"f32": "float32", "q7": "int8"}[record["dtype"]],
                      f"{net.parameter_memory_size():,}",
                      f"{record['sizeof_parameter_memory']:,}",
                      f"{net.inference_memory_size():,}",
                      f"{record['sizeof_inference_memory']:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
