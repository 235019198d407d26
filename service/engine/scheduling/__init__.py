"""Chooses the sequences of a step, and counts who holds which block. Knows no torch.

Imports engine_protocol; imported by engine and forward.
"""
