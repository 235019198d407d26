"""Tensor parallelism: a model's large matrices, sharded over several devices.

Imports linears and families; imported by forward, weights, startup and process.
"""
