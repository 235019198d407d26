"""Shapes of Workers AI's own route in OpenAI's words: those of its models of 2026.

Imports openai, workers_ai and upstream; imported by app and openapi.
"""
