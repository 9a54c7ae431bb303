"""Pages that are derived from the code say what the code says."""

import re
from pathlib import Path

from short_drama.doctor.checks import CHECKS
from short_drama.domain.errors import PermanentError, RetryableError, UserError, leaves
from short_drama.domain.failure import Failure
from short_drama.logs.steps import Step
from short_drama.orchestrator.accounts.reconcile import Finding
from short_drama.settings import Settings
from short_drama.settings.parts import PREFIX
from short_drama.web.problems import STATUS

ROOT = Path(__file__).parents[2]
ERRORS = ROOT / "docs" / "errors.md"

_HEAD = """\
# Problem codes

Every error is an [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem document:

```json
{"type": "/problems/invalid_request", "title": "The request is not valid", "status": 422,
 "detail": "horizontal: it should be less than or equal to 2",
 "instance": "/api/v1/camera-angle/tasks",
 "code": "invalid_request", "retryable": false, "field": "horizontal",
 "fix": "Correct it; you sent 9.", "errors": [{"field": "horizontal", "message": "…"}]}
```

`code` is for programs and does not change; `detail` and `fix` are for people. `field` names what to
correct and `errors` lists every fault where there are several. `retryable` says whether the same
request may succeed later; a 429 or 503 says when in `Retry-After`. A failed task carries the same
`code`, `message`, `retryable`, `field` and `fix` in its `error`.

"""
_FAMILIES = (
    (UserError, "The caller can fix these"),
    (RetryableError, "Time fixes these"),
    (PermanentError, "These are for us to fix"),
)


_UNCOUNTED = [
    f"`{leaf.code}`" for leaf in leaves(RetryableError) if not Failure.of(leaf("")).counts
]
_WAITS = f"""\
A task waits as long as what is told by {", ".join(_UNCOUNTED)} lasts,
and none of its attempts is counted; its `waiting_for` says which it is. Each of the others uses up
one of its four attempts.
"""


def errors_page() -> str:
    parts = [_HEAD]
    for family, heading in _FAMILIES:
        parts.append(f"## {heading}\n\n| code | status | means |\n|---|---|---|\n")
        parts += [f"| `{leaf.code}` | {STATUS[leaf]} | {leaf.title} |\n" for leaf in leaves(family)]
        parts.append(f"\n{_WAITS}\n" if family is RetryableError else "\n")
    return "".join(parts).rstrip() + "\n"


def test_the_errors_page_lists_every_code() -> None:
    assert ERRORS.read_text() == errors_page(), "renew it: python -m tests.unit.test_docs"


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    missing = [name for name in Settings.model_fields if f"`{PREFIX}{name.upper()}`" not in page]
    assert not missing


def test_every_finding_of_reconciling_is_explained() -> None:
    page = (ROOT / "docs" / "money.md").read_text()
    assert not [finding for finding in Finding if f"| `{finding}` |" not in page]


def test_every_check_of_doctor_is_explained() -> None:
    rows = (ROOT / "docs" / "doctor.md").read_text().splitlines()
    told = {
        name: "*" in row.split("|")[1]
        for row in rows
        if re.match(r"\| `[a-z]", row)
        for name in re.findall(r"`([\w-]+)`", row.split("|")[1])
    }
    assert told == {check.name: check.fast for check in CHECKS}


def test_every_step_of_a_task_is_explained() -> None:
    page = (ROOT / "docs" / "logs.md").read_text()
    assert not [step for step in Step if f"| `{step}` |" not in page]


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert not broken


def anchors_of(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_links_into_pages_lead_to_a_heading() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    broken = [
        f"{page.name}: {target}#{anchor}"
        for page in pages
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text())
        if anchor not in anchors_of(page.parent / target if target else page)
    ]
    assert not broken


if __name__ == "__main__":
    ERRORS.write_text(errors_page())
