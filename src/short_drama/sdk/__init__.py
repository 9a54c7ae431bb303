"""The typed client of the public HTTP API, for Python programs; the CLI uses it too."""
