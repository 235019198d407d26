"""Who answers a request: which models there are, when they are loaded and unloaded, and what fits.

Imports prompts, requests and engine_client; imported by generation, batches and rpc.
"""
