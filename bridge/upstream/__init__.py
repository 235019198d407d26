"""The service behind the bridge: its calls, its errors, what is known of its models.

Imports auth and http; imported by workers_ai and openai.
"""
