"""Work that may never end or take all memory, in processes that can be ended.

Imports nothing of the service; imported by schemas and the engine's grammars and trials.
"""
