"""The GPU lane's API service (port 8000): camera-angle and qwen-image-edit."""
