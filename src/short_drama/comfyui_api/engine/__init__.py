"""One ComfyUI as an engine: prompts to their ends, and its health."""
