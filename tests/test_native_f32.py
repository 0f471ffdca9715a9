"""float32 models in C, with an FPU and without, against NumPy, to the last bit."""
import float_models
import numpy as np
import pytest
import shared_library
from conftest import need


@pytest.fixture(scope="session", params=["soft", "hard"])
def arithmetic(request, tmp_path_factory):
    """(whether soft, a stand-in for the module _aifes_f32)"""
    need("gcc")
    soft = request.param == "soft"
    library = shared_library.build(tmp_path_factory.mktemp("f32"), "f32", [f"-DF32_SOFT={soft:d}"])
    return soft, shared_library.f32_module(library)


def check(arithmetic, layers, n_in, x):
    soft, module = arithmetic
    want, overflow = float_models.run(layers, x, soft)
    buf = float_models.assemble(layers, n_in)
    net = module.load(buf, np.zeros(int.from_bytes(buf[16:20], "little") // 4, np.int32))
    y = np.zeros(len(want), np.float32)
    assert net(x, y, 0) == 0
    if not overflow or not soft and np.isfinite(want).all():
        assert (y.view(np.int32) == want.view(np.int32)).all(), (layers, x, y, want)
    return not overflow


def test_random_models(arithmetic):
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(1500):
        layers, n_in = float_models.model(rng)
        compared += check(arithmetic, layers, n_in, float_models.values(rng, n_in))
    assert compared > 700


@pytest.mark.parametrize("function", [*float_models.FUNCTIONS, "softmax"])
def test_activations(arithmetic, function):
    """All exponents; and every size where exp changes."""
    rng = np.random.default_rng(1)
    for x in (float_models.bits(rng, 3000), rng.normal(size=3000) * 30,
              np.linspace(-90, 90, 3000)):
        x = np.clip(x, -1e38, 1e38).astype(np.float32)
        assert check(arithmetic, [(function, np.float32(0.3))[:1 + (function != "softmax")]],
                     len(x), x)


def test_operations(arithmetic):
    """b + x * w of operands of all sizes, many near one another."""
    rng = np.random.default_rng(2)
    compared = 0
    for _ in range(300):
        x = float_models.bits(rng, 1)
        w, b = float_models.bits(rng, (2, 400, 1))
        with np.errstate(over="ignore"):
            near = (x[0] * w).view(np.int32) + rng.integers(-3, 4, (400, 1)).astype(np.int32)
            near += (rng.integers(-26, 27, (400, 1)) * (rng.integers(3) == 0) << 23).astype(
                np.int32)
        near = near.view(np.float32) * rng.choice([-1, 1], (400, 1)).astype(np.float32)
        b = np.where(rng.integers(3, size=b.shape) & np.isfinite(near), near, b)
        fine = np.abs(x[0].astype(np.float64) * w) + np.abs(b.astype(np.float64)) < 3e38
        w, b = w[fine].reshape(-1, 1), b[fine]
        if len(w):
            compared += len(w) * check(arithmetic, [("dense", w, b, False)], 1, x)
    assert compared > 50000
