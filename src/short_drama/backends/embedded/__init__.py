"""One machine, nothing to install: tasks and queues in one SQLite file, assets in a folder."""
