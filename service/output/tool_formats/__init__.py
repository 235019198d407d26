"""How models write calls of tools: a reader for each family's format, and what a search for calls looks for.

Imports requests; imported by the rest of output.
"""
