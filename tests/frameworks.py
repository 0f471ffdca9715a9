"""What the tests of the importers share."""
import importlib
import os

import numpy as np
import pytest


def need(module):
    """Import an optional framework: skips where it is missing, but not in CI."""
    try:
        return importlib.import_module(module)
    except ImportError:
        assert "CI" not in os.environ, f"CI must have {module}"
        pytest.skip(f"{module} is not installed")


def agree(graph, x, wanted):
    """The float graph computes what the framework did, to 1e-5 of values of order 1."""
    wanted = np.asarray(wanted, float)
    found = graph(x)
    assert found.shape == wanted.reshape(len(wanted), -1).shape
    error = np.abs(found - wanted.reshape(found.shape)).max() / max(1.0, np.abs(wanted).max())
    assert error < 1e-5, error
