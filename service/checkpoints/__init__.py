"""Checkpoints as files: found, fetched, verified and measured, without torch.

Imports config and errors; imported by models, commands and the engine's weights.
"""
