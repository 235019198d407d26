"""A model's large matrices and layers, cut for several devices.

Imports linears; imported by weights, startup and process.
"""
