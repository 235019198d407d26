"""LoRA adapters: several beside one model, of which each row of a step uses its own or none.

Imports sharding, linears, kernels and device; imported by forward and startup.
"""
