"""Every schedule of what may go wrong goes right."""

import pytest

from tests.protocol.catalogue import SCHEDULES
from tests.protocol.virtual_time import run


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str) -> None:
    run(SCHEDULES[name]())  # type: ignore[arg-type]
