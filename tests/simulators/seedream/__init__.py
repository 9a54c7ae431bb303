"""SeeDream's image API without a model, for tests and benchmarks: nothing is ever charged.

It speaks the documented wire over real HTTP, checks a request as strictly as the reference allows,
makes a picture that depends on what it was sent, counts what it would charge for, and fails as it
is told to. `python -m tests.simulators.seedream` starts one as a process of its own.
"""

from tests.simulators.seedream.calls import Call
from tests.simulators.seedream.failures import DOWNLOADS, ENDINGS, Failures
from tests.simulators.seedream.refusals import REFUSALS, Refusal
from tests.simulators.seedream.simulator import KEY, SeeDreamSimulator

__all__ = [
    "DOWNLOADS",
    "ENDINGS",
    "KEY",
    "REFUSALS",
    "Call",
    "Failures",
    "Refusal",
    "SeeDreamSimulator",
]
