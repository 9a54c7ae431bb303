"""Qwen3-VL: faces on a picture."""
