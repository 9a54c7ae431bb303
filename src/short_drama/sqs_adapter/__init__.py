"""The queue's consumer: one program, run once per lane beside its API service."""
