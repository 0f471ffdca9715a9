"""Networks by hand: sequential.py; layers and drafts of ops, each in its own file."""
from . import q7  # noqa: F401  aifes.q7
