"""The table of our processes: what can run on its own. Ports, units, roles, scrapes and doctor
read it; a new process is one more entry here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from short_drama.domain.kinds import Lane


class Component(StrEnum):
    """What can run on its own; `up` runs them all in one process."""

    ORCHESTRATOR = "orchestrator"
    CPU_ORCHESTRATOR = "cpu-orchestrator"
    COMFYUI_API = "comfyui-api"
    PAID_API = "paid-api"
    GPU_ADAPTER = "gpu-adapter"
    CPU_ADAPTER = "cpu-adapter"

    @property
    def process(self) -> "Process":
        return PROCESSES[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """`port`: the setting that holds the port of its /health, /ready and /metrics, and of whatever
    else it answers; `unit`: its systemd unit, without the suffix;
    `role`: whose rights in AWS it has."""

    title: str
    lane: Lane
    port: str
    unit: str
    role: str


PROCESSES: Final[Mapping[Component, Process]] = {
    Component.ORCHESTRATOR: Process(
        title="Orchestrator, GPU tasks",
        lane=Lane.GPU,
        port="orchestrator_port",
        unit="gpu-orchestrator",
        role="orchestrator",
    ),
    Component.CPU_ORCHESTRATOR: Process(
        title="Orchestrator, CPU tasks",
        lane=Lane.CPU,
        port="cpu_orchestrator_port",
        unit="cpu-orchestrator",
        role="orchestrator",
    ),
    Component.COMFYUI_API: Process(
        title="ComfyUI API service",
        lane=Lane.GPU,
        port="comfyui_api_port",
        unit="comfyui-unified-api",
        role="comfyui-api",
    ),
    Component.PAID_API: Process(
        title="Paid API service",
        lane=Lane.CPU,
        port="paid_api_port",
        unit="paid-api",
        role="paid-api",
    ),
    Component.GPU_ADAPTER: Process(
        title="SQS adapter, GPU lane",
        lane=Lane.GPU,
        port="gpu_adapter_port",
        unit="sqs-adapter",
        role="gpu-adapter",
    ),
    Component.CPU_ADAPTER: Process(
        title="SQS adapter, CPU lane",
        lane=Lane.CPU,
        port="cpu_adapter_port",
        unit="sqs-adapter",
        role="cpu-adapter",
    ),
}

FREE_PORTS: Final[Mapping[str, int]] = dict.fromkeys(
    (process.port for process in PROCESSES.values()), 0
)
"""Settings that let the system choose every port."""
