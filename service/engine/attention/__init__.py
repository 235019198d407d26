"""Paged attention: what a token attends to, for each way of computing it.

Imports kernels; imported by forward and startup.
"""
