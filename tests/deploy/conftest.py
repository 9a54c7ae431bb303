"""A machine for the tests that boot one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import booted
from tests.deploy.booted import Machine
from tests.deploy.installed import PROJECT, RELEASE, TESTS, lay_release


@pytest.fixture(scope="session")
def boots(request: pytest.FixtureRequest) -> None:
    """Skips where nothing can be booted, or nobody asked for it."""
    if not request.config.getoption("--booted"):
        pytest.skip("boots a machine: give --booted (make test-deploy)")
    if why := booted.missing():
        pytest.skip(f"cannot boot a machine: {why}")


@pytest.fixture(scope="session")
def release(boots: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout, to be shown at RELEASE."""
    return lay_release(tmp_path_factory.mktemp("release") / "made")


@pytest.fixture(scope="module")
def machine(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One that shows this checkout's release and tests, with nothing installed yet."""
    folder = tmp_path_factory.mktemp("machine")
    with booted.booted(folder, shown={RELEASE: release, TESTS: PROJECT / "tests"}) as started:
        yield started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One machine is installed, upgraded and cleared in the order in which its tests stand."""
    places = [at for at, item in enumerate(items) if item.path.name == "test_upgrade.py"]
    as_written = sorted((items[at] for at in places), key=lambda item: item.reportinfo()[1] or 0)
    for at, item in zip(places, as_written, strict=True):
        items[at] = item
