"""The API's promise: what version 1 once had, it keeps. `make openapi` stores it anew."""
