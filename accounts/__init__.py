"""Who may ask, and how much: tokens, the accounts that they are for, and the file in which they stand.

Bridge and service read the same format with this package. It imports nothing but the standard library.
"""
