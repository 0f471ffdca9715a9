"""What load() does if the file of a path does not load: the model deployed before it runs.

`aifes deploy` writes a model to PATH.new, checks it there, renames PATH to PATH.old and PATH.new to
PATH. Whenever the power fails, PATH or PATH.old is whole.
"""
from .format import ModelError
from .model import Model, read


def load_previous(path, arena, engine, error):
    """The Model of PATH.old; raises `error`, what was wrong with PATH, if that does not load."""
    try:
        net = Model(read(path + ".old"), arena, engine)
    except (OSError, ModelError):
        raise error
    print(f"aifes: {path} does not load ({error}): the previous model runs")
    return net
