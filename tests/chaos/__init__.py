"""Chaos: real processes under seeded faults, and a checker of what their clients saw.

`python -m tests.chaos --duration 120 --seed 1`
"""
