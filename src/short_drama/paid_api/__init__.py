"""The CPU lane's API service (port 8000, or 8001 beside the other): faces."""
