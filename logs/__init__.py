"""What a log may hold and which form its lines have, for bridge and service alike; the standard library only.

A call that logs tells kinds, reasons and the names of fields, and clips what a client chose. The formatters are for
what no call of ours sees: messages of libraries, and the texts of exceptions, which quote whatever was wrong. Imports
neither bridge nor service.
"""
