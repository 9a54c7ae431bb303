"""What a test can make the simulator do wrong, at any moment and while it runs."""

from dataclasses import asdict, dataclass, fields
from typing import Any

Switch = bool | int
"""True: always, until set to False; a number: only the next so many times."""


@dataclass(frozen=True, slots=True)
class Crash:
    """What a node raises.

    Args:
        node_type: the class of the node; a graph without one raises at its first node.
    """

    node_type: str = "KSampler"
    exception_type: str = "RuntimeError"
    message: str = "The size of tensor a (64) must match the size of tensor b (32)"


OUT_OF_MEMORY = Crash(
    exception_type="torch.OutOfMemoryError",
    message="Allocation on device 0 would exceed allowed memory. (out of memory)\n"
    "Currently allocated     : 74.61 GiB\n"
    "Requested               : 8.00 GiB\n"
    "\nThis error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before "
    "you might have accidentally set the batch_size to a large number.",
)


@dataclass(slots=True)
class Failures:
    """All off. Change the fields, or POST some of them to /simulator/failures."""

    drop_socket: Switch = False
    """A run that starts first cuts every socket, without a close frame."""
    silent_socket: bool = False
    """Sockets stay open and nothing more is sent."""
    out_of_memory: Switch = False
    """Runs end in KSampler with torch.OutOfMemoryError; the models are unloaded."""
    execution_error: Switch = False
    """Runs end as `crash` says."""
    crash: Crash = Crash()
    crash_words: str = ""
    """Graphs in which this is written always end as `crash` says; "": none does."""
    crash_lasts: bool = False
    """After such a graph all others end so as well, until a restart: the device answers nothing."""
    out_of_memory_words: str = ""
    """Graphs in which this is written always run out of memory."""
    own_prompt_ids: Switch = False
    """POST /prompt gives every prompt an id of the server's own, as behind a gateway that passes on
    only what it knows."""
    zombie: bool = False
    """The worker is dead: prompts are accepted and nothing runs."""
    stuck: Switch = False
    """Runs make no progress, and do not hear an interrupt, while this is on; with a number, so
    many runs are stuck for good."""
    cached_no_outputs: Switch = False
    """Runs are all cached and their history names no outputs."""
    late_history: float = 0.0
    """Seconds from execution_success to the history entry; the prompt is in queue_running."""
    black_image: Switch = False
    """Runs succeed and save a black picture."""
    missing_file: Switch = False
    """GET /view answers 404."""
    refuse: int = 0
    """The status with which every request is answered; 0: none is refused."""
    late_interrupt: float = 0.0
    """Seconds from when POST /interrupt looks whether its prompt runs to when it stops whatever
    runs then."""
    lost_prompt_reply: Switch = False
    """POST /prompt queues the prompt, then the connection is reset."""
    truncated_view: Switch = False
    """GET /view breaks off midway."""
    slow_view: float = 0.0
    """Seconds before GET /view answers."""

    def take(self, name: str) -> bool:
        """Whether the switch is on; one that counts has then been used once."""
        left = getattr(self, name)
        if left is not True and left > 0:
            setattr(self, name, left - 1)
        return bool(left)

    def update(self, changes: dict[str, Any]) -> None:
        """Raises ValueError on a name that is not a field."""
        if unknown := set(changes) - {field.name for field in fields(self)}:
            raise ValueError(f"no such failures: {', '.join(sorted(unknown))}")
        for name, value in changes.items():
            setattr(self, name, Crash(**value) if name == "crash" else value)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
