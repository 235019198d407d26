"""The service behind the bridge: its calls, its errors, what is known of its models.

Imports http and errors; imported by workers_ai, openai, health, openapi, playground and app.
"""
