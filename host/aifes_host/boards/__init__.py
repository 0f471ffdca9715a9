"""Boards: find them, talk to them, put a model and the runtime onto them, measure there."""
