"""An engine's process: the loop that serves the pipes, and the ranks of a model that several devices share.

Imports engine, startup, weights, grammars and sharding; imported by nobody: engine_client starts it as a command.
"""
