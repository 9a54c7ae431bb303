"""Telling clients' own servers what has become of their tasks."""
