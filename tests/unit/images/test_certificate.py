"""What can sign manifests, and what is refused with a reason before anything is signed."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from short_drama.domain.errors import InvalidRequest
from short_drama.images import certificate
from tests.unit.images.certificates import Key, p256, pem, self_signed


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (p256(), "es256"),
        (ec.generate_private_key(ec.SECP384R1()), "es384"),
        (rsa.generate_private_key(65537, 2048), "ps256"),
    ],
)
def test_an_operators_certificate(key: Key, algorithm: str) -> None:
    found = certificate.read(self_signed(key), pem(key))
    assert (found.algorithm, found.issuer) == (algorithm, "A Studio")
    assert not found.is_development
    assert pem(key) not in repr(found)


KEY = p256()


@pytest.mark.parametrize(
    ("chain", "key", "why"),
    [
        ("", pem(KEY), "cannot be read"),
        ("no PEM", pem(KEY), "cannot be read"),
        (self_signed(KEY), "no PEM", "cannot be read"),
        (self_signed(KEY), pem(p256()), "another certificate's"),
        (self_signed(KEY, begins=-40, days=30), pem(KEY), "it holds from"),
        (self_signed(KEY, begins=2), pem(KEY), "it holds from"),
    ],
)
def test_what_cannot_sign_is_refused_with_a_reason(chain: str, key: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as refused:
        certificate.read(chain, key)
    assert refused.value.field == "SHORT_DRAMA_C2PA_CERTIFICATE"


def test_a_key_that_is_too_weak_is_refused() -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what is refused
    with pytest.raises(InvalidRequest, match="none that C2PA allows"):
        certificate.read(self_signed(key), pem(key))


def test_the_development_certificate_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "c2pa-development.pem"
    with ThreadPoolExecutor(8) as several:
        found = list(several.map(certificate.development, [file] * 8))
    assert len({one.chain for one in found}) == 1
    assert found[0].is_development
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert certificate.development(file) == found[0]


def test_a_damaged_development_certificate_is_no_reason_to_make_another(tmp_path: Path) -> None:
    file = tmp_path / "c2pa-development.pem"
    file.write_text("damaged")
    with pytest.raises(InvalidRequest):
        certificate.development(file)
    assert file.read_text() == "damaged"
