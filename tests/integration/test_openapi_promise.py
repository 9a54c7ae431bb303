"""Every application keeps what docs/openapi/ says that version 1 has."""

from tests.openapi import snapshots
from tests.openapi.compatible import broken


async def test_what_version_1_had_it_still_has() -> None:
    now = await snapshots.current()
    assert set(now) == set(snapshots.PROMISED)
    faults = {
        component: broken(snapshots.stored(component), document)
        for component, document in now.items()
    }
    assert not any(faults.values()), faults
