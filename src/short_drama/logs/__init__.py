"""What every process says: one line for each step of a task's life, and for what goes wrong.

Code logs with the standard library, constant sentences and facts in `extra`; ids that belong to all
lines of a stretch of work are bound as structlog's context variables.
"""
