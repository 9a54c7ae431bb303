"""A real Prometheus reads all processes and sees what is wrong with them; `python -m
tests.deploy.watch` does the same for longer, and with more faults."""

from pathlib import Path

import pytest

from tests.deploy.prometheus import PROMETHEUS
from tests.deploy.watch import watch

pytestmark = [
    pytest.mark.skipif(
        not PROMETHEUS.exists(), reason="Prometheus is missing: run `make deploy-tools`"
    ),
    pytest.mark.timeout(300),
]


async def test_alerts_fire_for_planted_faults_and_not_before(tmp_path: Path) -> None:
    await watch(tmp_path, seconds=3, faults=1, say=print)
