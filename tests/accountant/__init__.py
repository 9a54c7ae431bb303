"""The accountant's run: the paid kinds on simulated providers in the worst of weather, with every
process killed now and then; afterwards each cent is asked for.

`python -m tests.accountant --seed 1 --tasks 300 --kills 30`
"""
