"""From settings to objects: the only package, but for doctor, that names a backend or an engine."""
