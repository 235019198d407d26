"""One packed forward pass for each step: tensors in, logits out.

Imports attention, linears and scheduling's values; imported by engine.py, startup and process.
"""
