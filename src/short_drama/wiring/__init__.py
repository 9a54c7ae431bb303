"""From settings to objects: the only package that names a backend or an engine."""
