"""Compiled code for the host's own processor: its C++ sources, how they are built and kept, and matrices packed for it.

Imports nothing; imported by linears and forward, which compute as before where it is missing.
"""
