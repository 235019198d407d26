"""Chooses the sequences of a step, and counts who holds which block. Knows no torch.

Imports speculation; imported by engine, forward, sampling, startup and process.
"""
