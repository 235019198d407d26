"""Token ids to text: the detokenizer, stop sequences, tool calls, the parts of a stream.

Imports requests and engine_client's values; imported by prompts, models and generation.
"""
