"""From a loaded model to an engine that may serve: the size of its KV cache, the self-check, the graphs.

Imports engine, forward, sharding and scheduling; imported by process.
"""
