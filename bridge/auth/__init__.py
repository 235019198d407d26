"""Who may ask: tokens and accounts.

Imports http and errors; imported by workers_ai, openai, openapi, playground and app.
"""
