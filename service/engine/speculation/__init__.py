"""Drafts: the tokens that a sequence is likely to go on with, found in its own text, and how many are worth computing.

Imports nothing of ours; `scheduling/` imports it. There is no torch here.
"""
