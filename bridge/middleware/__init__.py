"""What every request passes: its face's errors, and where it may come from.

Imports workers_ai, openai and http; imported by app.
"""
