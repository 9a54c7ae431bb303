"""What a paid call costs, may cost, and has cost; each is made once."""
