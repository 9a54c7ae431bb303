"""A ComfyUI 0.3.75 or 0.33.0 without models, for tests and benchmarks.

It speaks their recorded protocol over real HTTP and WebSocket connections, takes as long for a run
as it is told to, and fails as it is told to. `python -m tests.simulators.comfyui` starts one as
a process of its own.
"""

from tests.simulators.comfyui.cards import CARDS
from tests.simulators.comfyui.dialects import VERSIONS, Version
from tests.simulators.comfyui.failures import Crash, Failures
from tests.simulators.comfyui.folders import Upload
from tests.simulators.comfyui.node_packs import PACKS
from tests.simulators.comfyui.runs import Run
from tests.simulators.comfyui.simulator import MODELS, ComfyUISimulator

__all__ = [
    "CARDS",
    "MODELS",
    "PACKS",
    "VERSIONS",
    "ComfyUISimulator",
    "Crash",
    "Failures",
    "Run",
    "Upload",
    "Version",
]
