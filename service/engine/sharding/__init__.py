"""Tensor parallelism: a model's large matrices, sharded over several devices.

Imports linears; imported by weights, startup and process.
"""
