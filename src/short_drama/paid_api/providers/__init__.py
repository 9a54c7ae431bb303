"""The wire of each provider."""
