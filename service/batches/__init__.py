"""Batches: their file, how they run, and what is told of them.

Imports generation and models; imported by rpc and server.
"""
