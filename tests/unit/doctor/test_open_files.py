"""How many clients the limit of open files is enough for."""

import resource

from short_drama.doctor.finding import Verdict
from short_drama.doctor.machine import open_files


def test_fewer_places_than_are_set_is_a_warning() -> None:
    found = open_files(1024, connections=10_000)
    assert found.verdict is Verdict.WARNING
    assert "768 clients" in found.found
    assert open_files(1024, connections=700).verdict is Verdict.OK


def test_enough_or_no_limit_is_fine() -> None:
    assert open_files(65_536, connections=10_000).verdict is Verdict.OK
    assert open_files(resource.RLIM_INFINITY, connections=10_000).verdict is Verdict.OK
