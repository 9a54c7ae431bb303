"""Where clients submit tasks and follow them: one application per lane."""
