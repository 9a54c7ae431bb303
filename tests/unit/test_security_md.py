"""The threat model names risks, controls and tests; the tests it names exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()


def test_each_of_the_ten_risks_has_a_control_and_a_test() -> None:
    rows = re.findall(r"^\| (API\d+) [^|]+\| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert [name for name, _, _ in rows] == [f"API{number}" for number in range(1, 11)]
    assert all(control.strip() and "`tests/" in tests for _, control, tests in rows)


def test_the_tests_that_it_names_exist() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", TEXT)
    assert [path for path in named if not (ROOT / path).is_file()] == []
