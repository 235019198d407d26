"""OpenAI's Responses API, without what it keeps: each request brings its whole conversation, and nothing is stored.

Imports workers_ai, validation, upstream, auth, http and the rest of openai; imported by openai's routes and openapi.
"""
