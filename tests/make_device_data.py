"""tests/golden as text files that a board can read line by line: one JSON record a line."""
import json
import sys
from pathlib import Path

import aifes_host
import graphs
import numpy as np
import random_models
import row_nets
from aifes.format import INT8, decode, frame, nbytes, size
from aifes.ops import NAMES
from aifes_host.layout import by_rows
from aifes_host.pieces import cut
from device_images import images

GOLDEN = Path(__file__).parent / "golden"
FORMAT1 = GOLDEN.parent / "format1"


def write(folder):
    """Write tutorial.txt, maps.txt, softmax.txt, .. into a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, records in (("tutorial", tutorial()), ("maps", maps()), ("softmax", softmax()),
                          ("nets", nets()), ("helpers", helpers()), ("floats", floats()),
                          ("quantize", quantize()), ("branches", branches()),
                          ("format1", format1()), ("images", images()),
                          ("cnns", cnns()), ("pieces", pieces()),
                          ("rows", rows())):
        lines = [json.dumps(r, separators=(",", ":")) for r in records]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


def read(name):
    return json.loads((GOLDEN / name).read_text())


def tutorial():
    t = read("tutorial.json")
    for v in t["variants"]:
        yield {"inputs": t["inputs"], **{k: v.get(k) for k in (
            "layer_kind", "layer_q_params", "q7_inputs", "q7_layers_per_input", "q7_output",
            "output_float", "sizeof_parameter_memory", "sizeof_inference_memory")},
            "alpha": list(v["leaky_relu_alpha"].values()),
            "buffers": [[a, v[f"buffer_align{a}_hex"]] for a in (1, 2, 4)
                        if f"buffer_align{a}_hex" in v],
            "documented": t["documented_buffer_align4_dense_hex"]}


def maps():
    meta = read("activation_maps.json")
    rows = dict(zip(meta["keys"], np.load(GOLDEN / "activation_maps.npz")["maps"]))
    for e in meta["entries"]:
        row = rows.get(e["key"] + "_sat", rows.get(e["key"]))
        yield {"act": e["act"], "q": [e["shift"], e["zp"]], "alpha": e["alpha"],
               "defined": e["defined"], "out": [e.get("out_shift"), e.get("out_zp")],
               "want": row.tobytes().hex() if e["defined"] else ""}


def softmax():
    data = np.load(GOLDEN / "activation_maps.npz")
    for key in data.files:
        if key.startswith("softmax_pair_s"):
            x = np.stack([np.full(256, 127), np.arange(-128, 128)], 1).astype(np.int8)
            yield softmax_record(key.rsplit("_s", 1)[1], x, data[key])
        elif key.endswith("_in"):
            yield softmax_record(key.split("_")[3][1:], data[key], data[key[:-2] + "out"])


def softmax_record(shift, x, want):
    return {"shift": int(shift), "n": x.shape[1], "x": x.tobytes().hex(),
            "want": want.tobytes().hex()}


def nets():
    data = np.load(GOLDEN / "random_fnns.npz")
    i8, i32 = data["i8"], data["i32"]
    for net in read("random_fnns.json")["nets"]:
        layers = []
        for v in net["layers"]:
            record = {"act": v["type"], "n": v["n_out"], "out": [v["out_shift"], v["out_zp"]],
                      "want": i8[v.get("out_sat", v["out"]):][:16 * v["n_out"]].tobytes().hex()}
            if v["type"] == "dense":
                record["w"] = i8[v["w"]:][:v["n_in"] * v["n_out"]].tobytes().hex()
                record["w_q"] = [v["w_shift"], v["w_zp"]]
                record["b"] = i32[v["b"]:][:v["n_out"]].tolist()
            if "alpha_value" in v:
                record["alpha"] = [v["alpha_value"], v["alpha_shift"], v["alpha_zp"]]
            layers.append(record)
        yield {"id": net["id"], "n": net["n_in"], "q": [net["input"]["shift"], net["input"]["zp"]],
               "x": i8[net["input"]["off"]:][:16 * net["n_in"]].tobytes().hex(), "layers": layers,
               "dense": net.get("param_buffer_align4_dense_hex"),
               "dense_wt": net.get("param_buffer_align4_dense_wt_hex"),
               "parameter_memory": net["sizeof_parameter_memory"],
               "inference_memory": net["sizeof_inference_memory"]}


def helpers():
    """Numbers as digits: CircuitPython reads -0.017578125, a half step, as the float beside it."""
    data = read("quant_helpers.json")
    for row in data["calc"]:
        yield {"range": digits(row[:2]), "q": row[2:4]}
    for r in data["quantize"]:
        yield {"q": [r["shift"], r["zp"]], "values": digits(r["values"]), "want": r["c"],
               "wraps": [int(w) for w in r["wraps"]]}


def floats():
    """Numbers as the hex digits of float32; results: of each layer, all samples."""
    for r in read("float_fnns.json")["f32_fnn"]:
        yield {"n_in": r["n_in"], "layers": r["layers"], "params": [digits(p) for p in r["params"]],
               "buffer": r["parameter_buffer_hex"], "inputs": digits(r["inputs"]),
               "results": [digits([sample[i] for sample in r["layer_results"]])
                           for i in range(1, len(r["layers"]) + 1)]}


def digits(values):
    return np.array(values, "<f4").tobytes().hex()


def cnns():
    """float32 networks with images; inputs and results have the channels last."""
    data = np.load(GOLDEN / "cnn_inference.npz")
    for net in read("cnn_inference.json"):
        key = net["key"]
        x, y = data[f"{key}_x"], data[f"{key}_y{len(net['layers']) - 1}"]
        y = data.get(f"{key}_out_exact", y)
        first = net["layers"][0].get("axis", 1) == 1
        shape = (1, 6, 6) if net["name"] == "reshape" else x.shape[1:]
        x = x.reshape(-1, *shape)
        if first:
            x, y = x.transpose(0, 2, 3, 1), y.transpose(0, 2, 3, 1) if y.ndim == 4 else y
        layers = [{k: v for k, v in layer.items() if k != "axis"} for layer in net["layers"]
                  if layer["type"] != "reshape"]
        yield {"name": net["name"], "shape": x.shape[1:], "first": first, "layers": layers,
               "params": digits(data[f"{key}_params"]), "bytes": net["parameter_bytes"],
               "x": digits(x), "y": digits(y)}


def quantize():
    """Float networks with samples: AIfES's parameters, and the models that the host makes."""
    t = read("tutorial.json")
    automatic = [v for v in t["variants"] if v["source"] == "c_auto"][::2]
    rng = np.random.default_rng(6)
    for sizes, kinds, samples, spread in (
            ((3, 4, 2), ("tanh", None), 40, 1), ((5, 3, 3), ("relu", "softmax"), 33, 1),
            ((2, 6, 1), ("sigmoid", "sigmoid"), 8, 1), ((4, 3, 2), ("leaky_relu", "elu"), 50, 10),
            ((3, 5, 2), ("softsign", None), 40, (1, 100, 0.01)), ((1, 1), (None,), 3, 1),
            ((3, 4, 2), ("softmax", "tanh"), 35, (1, 300, 7)),
            ((3, 4, 2), ("leaky_relu=-2", "elu=10"), 16, 5),
            ((3, 4, 1), ("softmax elu=-30", "sigmoid leaky_relu=1000"), 12, 1)):
        layers, graph = [], []
        for n, m, kind in zip(sizes, sizes[1:], kinds):
            w = rng.normal(size=(n, m)).astype(np.float32)
            b = rng.normal(size=m).astype(np.float32)
            graph.append(("dense", w, b))
            layers.append(["dense", m, w.T.tobytes().hex(), b.tobytes().hex()])
            for part in (kind or "").split():
                kind, _, alpha = part.partition("=")
                alpha = [float(alpha)] if alpha else {"leaky_relu": [0.3], "elu": [0.7]}.get(
                    kind, [])
                graph.append((kind, *alpha) if alpha else kind)
                layers.append([kind, *alpha])
        x = (rng.normal(size=(samples, sizes[0])) * spread).astype(np.float32)
        model = aifes_host.quantize(aifes_host.from_model(graph), x).model
        yield {"kind": "network", "n": sizes[0], "layers": layers, "samples": x.tobytes().hex(),
               "want": model[40:decode(model).metadata[0]].hex()}
    # the last one: what it makes is kept while a test looks for more
    yield {"kind": "tutorial", "inputs": t["inputs"], "b1": t["b1"], "b2": t["b2"],
           "w1": sum(t["w1"], []), "w2": sum(t["w2"], []), "outputs": automatic[0]["output_float"],
           "buffers": [[v["layer_kind"], v["buffer_align4_hex"]] for v in automatic]}


def branches():
    """Small float models of graphs, samples, and the int8 models that the host makes: a line each,
    for small heaps."""
    rng = np.random.default_rng(7)
    for graph in (graphs.residual(rng, 1, 2, 3, 2), graphs.two_ends(rng, 3), graphs.diamond(rng),
                  graphs.inner_output(rng), graphs.joined(rng, 3)):
        x = rng.normal(size=(33, graph.n_in)).astype(np.float32)
        model = aifes_host.quantize(graph, x).model
        yield aifes_host.float_model(graph).hex()
        yield x.tobytes().hex()
        yield model[40:decode(model).metadata[0]].hex()


def pieces():
    """Models in pieces, three samples and the results: input after input, output after output."""
    rng = np.random.default_rng(8)
    found = {name: aifes_host.quantize(graph, rng.normal(size=(33, graph.n_in))).model
             for name, graph in (("residual", graphs.residual(rng, 1, 5, 8, 3)),
                                 ("two ends", graphs.two_ends(rng, 6)))}
    for seed in range(99):
        model = bytes(random_models.images(np.random.default_rng(seed), most=120))
        if {NAMES[op.opcode] for op in decode(model).ops} >= {"conv", "pool"} and (
                len(found) < 4 and _is_small(model)):
            found[f"image {seed}"] = model
    for name, model in found.items():
        simulator = aifes_host.Simulator(model)
        x = rng.integers(-128, 128, (3, simulator.n_in)).astype(np.int8)
        y = simulator.run(x)
        yield {"name": name, "file": cut(model).file.hex(),
               "x": by_end(x, simulator.inputs), "y": by_end(y, simulator.outputs)}


def _is_small(model):
    """Whether it can be cut into pieces that the heap of each board has room for, as text."""
    try:
        return len(cut(model).file) < 1800
    except aifes_host.ConversionError:  # an output is a part of another
        return False


def by_end(values, ends):
    parts = np.split(values, np.cumsum([nbytes(t) for t in ends])[:-1], axis=1)
    return b"".join(v.tobytes() for v in parts).hex()


def format1():
    """Small files of format 1 and the first two of their samples."""
    for name, results in json.loads((FORMAT1 / "results.json").read_text()).items():
        model = (FORMAT1 / f"{name}.aifes").read_bytes()
        x, y = (bytes.fromhex(results[k]) for k in "xy")
        head = frame(model)
        n, m = (nbytes(t) for t in head.tensors)
        finite = head.tensors[0].dtype == INT8 or np.isfinite(np.frombuffer(y, "<f4")).all()
        if len(model) <= 900 and finite:
            yield {"name": name, "model": model.hex(), "x": x[:2 * n].hex(), "y": y[:2 * m].hex()}


def rows():
    """Small nets whose ops take turns: the input in the arena, pushed, without end."""
    found = {None: 0, "rows": 0, "endless": 0}
    for seed in range(100):
        for pushed in found:
            hop = 1
            if pushed == "endless":
                graph, hop = row_nets.signals(seed)
            else:
                graph = row_nets.images(seed)
            model, _ = row_nets.quantized(graph, seed)
            if len(model) > 1500:
                continue
            model, whole = by_rows(model, pushed), aifes_host.Simulator(model)
            if found[pushed] == 4 or not any(t.rows for t in decode(model).tensors):
                continue
            found[pushed] += 1
            n, row = graph.inputs[0].shape[0], size(graph.inputs[0].shape[1:])
            rng = np.random.default_rng(seed)
            x = rng.integers(-128, 128, (n + 2 * hop * (pushed == "endless"), row)).astype(np.int8)
            windows = [x[i:i + n].ravel() for i in range(0, len(x) - n + 1, hop)]
            yield {"model": model.hex(), "pushed": pushed, "row": row, "x": x.tobytes().hex(),
                   "y": [y.tobytes().hex() for y in whole.run(np.array(windows))]}
    assert set(found.values()) == {4}


if __name__ == "__main__":
    write(sys.argv[1])
