"""The engine: token ids in, token ids out, by continuous batching.

It runs in a process of its own and knows no text and no wire. Outside of it only `engine_protocol` is known.
"""
