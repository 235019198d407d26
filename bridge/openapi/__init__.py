"""The OpenAPI document, made from the objects that the code itself checks with, and a page that shows it.

Imports openai, workers_ai, upstream and http; imported by app.
"""
