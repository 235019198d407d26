"""From weights to an engine that may serve: the self-check, and how much memory the KV cache gets.

Imports forward, weights and the rooms below.
"""
