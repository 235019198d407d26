"""Token ids to text: the detokenizer, stop sequences, tool calls, the parts of a stream.

Imports requests, engine_client and metrics; imported by prompts, generation, batches and rpc.
"""
