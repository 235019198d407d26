"""Finds who may ask: tokens and accounts.

Imports http, errors and config; imported by workers_ai, openai, openapi, playground and app.
"""
