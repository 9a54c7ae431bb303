"""Who signs, by the settings; and what is said where nobody does."""

from pathlib import Path
from typing import Any

import pytest

from short_drama.doctor.finding import Finding, Verdict
from short_drama.doctor.manifests import manifests
from short_drama.doctor.site import Site
from short_drama.domain.errors import InvalidRequest, Unavailable
from short_drama.images import certificate, manifest
from short_drama.settings import Settings
from short_drama.wiring.components import Component
from short_drama.wiring.manifests import open_manifests, public_chain
from tests.stack import running_stack
from tests.unit.images.certificates import p256, pem, self_signed

KEY = p256()


def studio(folder: Path, *, days: int = 90, by_file: bool = True) -> dict[str, Any]:
    """Settings that name a studio's certificate."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_text(self_signed(KEY, days=days))
    key.write_text(pem(KEY))
    return {"c2pa_certificate": chain, "c2pa_key": str(key) if by_file else pem(KEY)}


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def examined(given: dict[str, Any]) -> Finding:
    async with Site(Settings(**given), components=[Component.PAID_API]) as site:
        return await manifests(site)


async def test_without_settings_one_is_made_for_development(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert public_chain(settings) is None
    assert "development" in (await examined({"data_dir": tmp_path})).found
    assert names(tmp_path) == [], "doctor makes nothing"
    opened = open_manifests(settings)
    assert opened.view()["development"] is True
    assert public_chain(settings) == opened.trusted
    assert open_manifests(settings).trusted == opened.trusted
    assert "PRIVATE" not in (public_chain(settings) or "")


@pytest.mark.parametrize("by_file", [True, False])
async def test_an_operators_certificate_signs(tmp_path: Path, by_file: bool) -> None:
    given = {"data_dir": tmp_path / "data", **studio(tmp_path, by_file=by_file)}
    view = open_manifests(Settings(**given)).view()
    assert view == {"written": True, "issuer": "A Studio", "signer": "", "development": False}
    assert (await examined(given)).found == "signed as A Studio"
    assert not (tmp_path / "data").exists()


async def test_a_certificate_that_soon_ends_is_warned_of(tmp_path: Path) -> None:
    found = await examined(studio(tmp_path, days=10))
    assert (found.verdict, "ends in 9 days" in found.found) == (Verdict.WARNING, True)


@pytest.mark.parametrize("missing", ["c2pa_certificate", "c2pa_key"])
def test_half_a_certificate_is_refused(tmp_path: Path, missing: str) -> None:
    given = studio(tmp_path)
    del given[missing]
    with pytest.raises(InvalidRequest) as refused:
        open_manifests(Settings(**given))
    assert refused.value.field == f"SHORT_DRAMA_{missing.upper()}"


def test_a_file_that_is_not_there_is_refused_by_its_settings_name(tmp_path: Path) -> None:
    given = studio(tmp_path) | {"c2pa_key": "/nowhere/key.pem"}
    with pytest.raises(InvalidRequest, match="cannot be read") as refused:
        open_manifests(Settings(**given))
    assert refused.value.field == "SHORT_DRAMA_C2PA_KEY"


async def test_on_aws_none_is_made(tmp_path: Path) -> None:
    given: dict[str, Any] = {"backend": "aws", "data_dir": tmp_path}
    view = open_manifests(Settings(**given)).view()
    assert (view["written"], "SHORT_DRAMA_C2PA_CERTIFICATE" in view["fix"]) == (False, True)
    assert (await examined(given)).verdict is Verdict.WARNING
    assert names(tmp_path) == []


def test_a_data_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="development certificate"):
        open_manifests(Settings(data_dir=tmp_path / "gone"))


async def test_without_the_library_everything_runs_and_health_says_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "is_installed", lambda: False)
    async with (
        running_stack(tmp_path) as stack,
        stack.http.get(f"{stack.urls[Component.PAID_API]}/health") as answer,
    ):
        health = await answer.json()
    assert health["manifests"] == {
        "written": False,
        "reason": "the package that writes manifests is not installed",
        "fix": "Install it: pip install 'short-drama[c2pa]'",
    }
    assert not (tmp_path / certificate.FILE).exists()
    assert (await examined({"data_dir": tmp_path})).do == health["manifests"]["fix"]
