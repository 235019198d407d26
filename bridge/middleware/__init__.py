"""The layers that every request passes: its face's errors, where it may come from, and turns of large requests.

Imports workers_ai, openai and http; imported by app.
"""
