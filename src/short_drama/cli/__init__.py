"""The `short-drama` command; modules import what they need when they run, so `--help` is quick."""
