"""Strangers' manifests are read in a child process, and cost no more than that."""

from pathlib import Path

import numpy as np
import pytest

from short_drama.domain.errors import ImageRejected, InternalError
from short_drama.images import certificate, inspector
from short_drama.images.certificate import Certificate
from short_drama.images.codec import encode
from short_drama.images.inspector import inspected
from short_drama.images.labels import Label, SourceType
from short_drama.images.manifest import Claim, sign

LABEL = Label.of_job(
    SourceType.TRAINED, engine="e", kind="face-mask", job_id="j1", task_id="of the label"
)
BARE = encode(np.zeros((32, 48, 3), np.uint8), "image/png", label=LABEL)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate.development(tmp_path_factory.mktemp("data") / "c2pa.pem")


@pytest.fixture(scope="module")
def signed(ours: Certificate) -> bytes:
    claim = Claim(
        action="c2pa.edited", agent="e", source=SourceType.TRAINED, facts={"task_id": "t1"}
    )
    return sign(BARE, "image/png", claim, [], ours)


async def test_it_says_what_the_manifest_says(signed: bytes, ours: Certificate) -> None:
    found = await inspected(signed, trusted=ours.chain)
    assert (found.manifest.state, found.task_id, found.is_ours) == ("valid", "t1", True)
    assert found.label == LABEL


async def test_a_picture_without_a_manifest_needs_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspector, "CHILD", "there.is.none")
    found = await inspected(BARE)
    assert (found.manifest.state, found.task_id, found.is_ours) == ("none", "of the label", False)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n jumb c2pa"])
async def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ImageRejected):
        await inspected(data)


def instead(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """A child that does something else than read."""
    (folder / "another_child.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(inspector, "CHILD", "another_child")


async def test_a_manifest_that_takes_too_long_costs_its_child(
    signed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(tmp_path, monkeypatch, "import time; time.sleep(600)")
    monkeypatch.setattr(inspector, "WALL_SECONDS", 0.3)
    with pytest.raises(ImageRejected, match="too much memory or time"):
        await inspected(signed)


async def test_what_the_kernel_ends_took_too_much(
    signed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(tmp_path, monkeypatch, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(ImageRejected, match="too much memory or time"):
        await inspected(signed)


async def test_a_bug_in_the_child_is_ours(
    signed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(tmp_path, monkeypatch, "raise SystemExit(7)")
    with pytest.raises(InternalError, match="status 7"):
        await inspected(signed)


async def test_the_child_is_given_no_secret(
    signed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import os, sys; sys.exit(9 if 'SHORT_DRAMA_C2PA_KEY' in os.environ else 7)"
    instead(tmp_path, monkeypatch, program)
    monkeypatch.setenv("SHORT_DRAMA_C2PA_KEY", "secret")
    with pytest.raises(InternalError, match="status 7"):
        await inspected(signed)
