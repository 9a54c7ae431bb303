"""How long things may take, and how many run at a time."""

from pydantic import PositiveFloat, PositiveInt

from short_drama.settings.parts import Group


class PaceSettings(Group):
    """Leases, polls, drains and parallel work."""

    lease_seconds: PositiveFloat = 60.0
    visibility_seconds: PositiveFloat | None = None
    """How long a message that was received stays hidden; default: as its queue says."""
    drain_seconds: PositiveFloat = 20.0
    poll_seconds: PositiveFloat | None = None
    """One long poll of the queue; default: 1, for the embedded queue wakes its consumers itself,
    and 20 on AWS, where each poll costs money."""
    progress_seconds: PositiveFloat | None = None
    """The least time between two progress writes of one task; default: 1, and 20 on AWS."""
    sweep_seconds: PositiveFloat = 2.0
    dead_letter_seconds: PositiveFloat = 30.0
    """Between two looks at the dead-letter queues."""
    figures_seconds: PositiveFloat = 15.0
    """Between two looks at what /metrics tells of queues, budgets, engines and disks."""
    gpu_parallel: PositiveInt = 1
    """Jobs in the GPU engine at a time; the adapter holds one message more, so that the next job
    is prepared meanwhile."""
    gpu_lookahead: PositiveInt | None = None
    """Messages the GPU adapter holds at a time, among which the service chooses the order; default:
    8 with ComfyUI, else one more than gpu_parallel. Less where many machines share a queue."""
    job_memory_mib: PositiveInt | None = None
    """MiB that the pixels of all jobs of one process may take; default: an eighth of the machine's
    memory, from 512 to 2,048. More jobs wait; one that needs more runs alone."""
    cpu_parallel: PositiveInt | None = None
    """Default: 2, and 16 with providers, which have limits of their own."""
