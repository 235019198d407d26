"""Paged attention: what a token attends to, for each way of computing it.

Imports kernels and device; imported by forward and startup.
"""
