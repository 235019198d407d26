"""Batches: their file, how they run, and what is told of them.

Imports generation; imported by rpc and server.
"""
