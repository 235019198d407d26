"""The form of completions: grammars compiled on trial, and the masks that they allow.

The only room that needs llguidance. Imports sampling; imported by engine and process.
"""
