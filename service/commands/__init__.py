"""The command line besides serving: what it does here, and what it asks a running service.

Imports checkpoints, models, generation, rpc, and of the engine what quantizes; imported by __main__.
"""
