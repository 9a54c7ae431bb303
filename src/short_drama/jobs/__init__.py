"""The job runner both API services share, and its HTTP face."""
