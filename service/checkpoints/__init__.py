"""Checkpoints as files: found, fetched, verified and measured, without torch.

Imports the catalog and engine_protocol; imported by models, commands and the engine's weights.
"""
