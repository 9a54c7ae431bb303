"""Programs of the project's own workshop: what a release is made of, and what it must pass."""
