"""`python -m runstream.terminal` is the command `runstream`."""

from runstream.terminal.entry import main

main()
