"""Compiled code for the host's own processor: its C++ sources, how they are built and kept, and matrices packed for it.

Imports nothing; imported by trials, weights and process, and by linears, which multiply by PyTorch where it is missing.
"""
