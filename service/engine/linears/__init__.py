"""Linear layers: plain, packed, merged, and the trials that choose their kernels.

Imports kernels; imported by forward, weights and sharding.
"""
