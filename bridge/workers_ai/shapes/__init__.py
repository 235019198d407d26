"""Shapes of requests and answers on Workers AI's own route: what a shape is, and those in Cloudflare's own words.

Imports the rest of workers_ai, upstream and validation; imported by workers_ai's handlers, openai, openapi and app.
"""
