"""Triton kernels: paged attention, and products with packed weights.

Imports nothing but errors; imported by attention and linears, which try each kernel before they use it,
and by forward.
"""
