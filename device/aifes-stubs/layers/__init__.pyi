from . import q7 as q7
