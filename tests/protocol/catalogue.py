"""Every schedule there is, by its name."""

from tests.protocol import (
    clock_schedules,
    delivery_schedules,
    ending_schedules,
    letter_schedules,
    outage_schedules,
    submit_schedules,
    waiting_schedules,
    worker_schedules,
)
from tests.protocol.schedules import SCHEDULES

__all__ = [
    "SCHEDULES",
    "clock_schedules",
    "delivery_schedules",
    "ending_schedules",
    "letter_schedules",
    "outage_schedules",
    "submit_schedules",
    "waiting_schedules",
    "worker_schedules",
]
