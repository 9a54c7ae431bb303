"""The search finds what is missing by itself, without being told where to look."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.protocol import test_mutants
from tests.protocol.test_model import Protocol
from tests.protocol.test_mutants import Patch

SEARCH = settings(
    max_examples=400,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


FOUND = [
    test_mutants.no_fence,
    test_mutants.no_final_ends,
    test_mutants.no_outbox,
    test_mutants.no_heartbeat,
    test_mutants.no_live_lease_guard,
    test_mutants.no_revival,
    test_mutants.no_refund,
    test_mutants.no_limit_of_attempts,
]
"""Those it finds within seconds; the schedules find them all."""


@pytest.mark.parametrize("change", FOUND)
def test_the_search_finds_what_is_missing(
    change: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    change(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Protocol, settings=SEARCH)
