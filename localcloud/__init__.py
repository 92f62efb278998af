"""A cloud on this machine, for tests and for trying Explorer out: see README.md."""
