"""Finds which ways to compute are right and quickest here: tried in a process of their own, kept on the disk.

Imports startup, engine, forward, weights, linears, native and what is below; imported by process.
"""
