"""Messages to token ids: conversations, chat templates, the tokenizer.

Imports requests and output's vocabulary; imported by models and generation.
"""
