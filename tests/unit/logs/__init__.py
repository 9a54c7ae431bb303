"""Lines: what they tell, what they never do, and where they go."""
