"""The command `runstream`: `run`, `chat`, `models` and `batch` in a terminal and in scripts.

It needs what the extra `cli` brings, and nothing else of the package imports it.
"""
