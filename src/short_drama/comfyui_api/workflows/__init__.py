"""ComfyUI workflows as data: a graph, and a manifest of what a request may change in it."""
