"""Capacity on paper: a simulation of studios' days on 1 to 1,000 GPUs, `make capacity`.

Discrete events on a heap, seeded. What decides is the product's own where it is pure logic: the
order of turns in ComfyUI (`comfyui_api.turns.choose`), a provider's pace (`paying.limits.Rate`),
the requests of a task (`accounts.costs.requests_of`), prices, defaults, and the template's figures.
"""
