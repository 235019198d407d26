"""Who answers a request: which models there are, when they are loaded and unloaded, and what fits.

Imports prompts, requests, checkpoints and engine_client; imported by generation, batches, rpc, commands and server.
"""
