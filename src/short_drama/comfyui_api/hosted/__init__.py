"""GPUs elsewhere, by Comfy API v2: Comfy Cloud, or a ComfyUI behind `comfy-api-proxy`."""
