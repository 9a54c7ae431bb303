"""What is said to a ComfyUI server, and what it says."""
