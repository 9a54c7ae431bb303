"""Assertions of the schedules say what they found, as those of test modules do."""

import pytest

pytest.register_assert_rewrite(
    "tests.protocol.clock_schedules",
    "tests.protocol.delivery_schedules",
    "tests.protocol.ending_schedules",
    "tests.protocol.letter_schedules",
    "tests.protocol.outage_schedules",
    "tests.protocol.schedules",
    "tests.protocol.submit_schedules",
    "tests.protocol.waiting_schedules",
    "tests.protocol.worker_schedules",
    "tests.protocol.world",
)
