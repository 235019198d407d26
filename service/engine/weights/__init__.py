"""Checkpoints onto devices: loading, placing, and packed weights of 8 and 4 bits.

Imports linears and sharding; imported by process.
"""
