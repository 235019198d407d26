"""What the Makefile runs: setting up, starting, generating and checking."""
