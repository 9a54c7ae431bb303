"""Is everything well, and if not, what is to be done? Looks at all there is and changes nothing."""
