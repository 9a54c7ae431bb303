"""Images in and out: safe fetch, decode and encode with limits, provenance labels."""
