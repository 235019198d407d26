"""Who may ask: tokens and accounts.

Imports config and errors; imported by upstream and workers_ai.
"""
