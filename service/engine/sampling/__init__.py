"""From logits to one token for each row, each row by its own parameters.

Imports engine_protocol; imported by engine and forward.
"""
