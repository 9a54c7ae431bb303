"""Qwen3-VL's chat API without a model, for tests and benchmarks: nothing is ever charged.

It speaks the documented wire over real HTTP, checks a request as strictly as the reference allows,
answers with the faces it is given, counts the tokens it would charge for, and fails as it is told
to. `python -m tests.simulators.qwen_vl` starts one as a process of its own.
"""

from tests.simulators.qwen_vl.answers import FAULTS, SHAPES
from tests.simulators.qwen_vl.calls import Call
from tests.simulators.qwen_vl.failures import ENDINGS, Failures
from tests.simulators.qwen_vl.refusals import REFUSALS, Refusal
from tests.simulators.qwen_vl.simulator import KEY, QwenVLSimulator

__all__ = [
    "ENDINGS",
    "FAULTS",
    "KEY",
    "REFUSALS",
    "SHAPES",
    "Call",
    "Failures",
    "QwenVLSimulator",
    "Refusal",
]
