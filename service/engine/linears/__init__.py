"""Linear layers: plain, packed, merged, and the trials that choose their kernels.

Imports kernels, native and device; imported by forward, weights and sharding.
"""
