"""What strangers' files cost, measured by hand."""
