"""The command line besides serving: what it does here, and what it asks a running service.

Imports checkpoints, models and rpc's clients; imported by service.__main__ only.
"""
