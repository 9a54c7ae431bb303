"""SeeDream: a picture from pictures and words."""
