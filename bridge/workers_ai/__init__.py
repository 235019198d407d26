"""Cloudflare's dialect: its schema, its bodies, its answers.

Imports upstream, auth and http; imported by app, openai, openapi and middleware.
"""
