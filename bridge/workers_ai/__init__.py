"""Cloudflare's dialect: its schema, its bodies, its answers.

Imports validation, upstream, auth and http; imported by app, openai, openapi and middleware.
"""
