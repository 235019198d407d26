"""Checks of every surface: JSON Schemas with sizes first, the fields of vLLM's requests, and what is refused.

Imports errors and spelling; imported by workers_ai and openai.
"""
