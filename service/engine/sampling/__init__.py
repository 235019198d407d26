"""From logits to one token for each row, each row by its own parameters.

Imports scheduling and device; imported by engine, forward and grammars.
"""
