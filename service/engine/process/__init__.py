"""An engine's process: the loop that serves the pipes, and the ranks of a model that several devices share.

Imports all rooms of the engine; started by engine_client as a command.
"""
