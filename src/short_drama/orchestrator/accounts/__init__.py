"""What was paid, added up, compared with bills and corrected."""
