"""One packed forward pass for each step: tensors in, logits out.

Imports attention, linears, sharding, sampling and scheduling; imported by engine, startup and process.
"""
