"""Messages to token ids: conversations, chat templates, the tokenizer.

Imports requests and output; imported by models.
"""
