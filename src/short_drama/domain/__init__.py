"""What the product is about, in plain Python: tasks, the five kinds, and what can go wrong."""
