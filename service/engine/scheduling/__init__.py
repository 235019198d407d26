"""Which sequences run in a step, and who holds which block. Knows no torch.

Imports engine_protocol; imported by engine and forward.
"""
