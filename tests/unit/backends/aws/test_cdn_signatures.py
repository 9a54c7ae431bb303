"""CloudFront's signed addresses, against AWS's own words: its guide's commands, and its SDK."""

import base64
import datetime
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.signers import CloudFrontSigner
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from short_drama.backends.aws.cdn_signatures import CdnSignatures, policy
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.lifetimes import link_ends
from short_drama.web.signed_urls import CdnLinks

PAIR, URL = "K2JCJMDEHXQW5F", "https://d111111abcdef8.cloudfront.net/images/a%20b.png"
NOW = 1_767_290_399.5
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def pem(key: PrivateKey, encryption: KeySerializationEncryption | None = None) -> str:
    how = encryption or NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def signed(key: PrivateKey) -> dict[str, str]:
    signatures = CdnSignatures(PAIR, pem(key), hours=24, clock=lambda: NOW)
    query = signatures.query(URL)
    assert query == signatures.query(URL)  # for an hour
    found = {name: value for name, [value] in parse_qs(query, strict_parsing=True).items()}
    assert set(found) == {"Expires", "Signature", "Key-Pair-Id", "Hash-Algorithm"}
    assert (found["Key-Pair-Id"], found["Hash-Algorithm"]) == (PAIR, "SHA256")
    assert re.fullmatch(r"[A-Za-z0-9~_-]+", found["Signature"])
    return found


def raw(signature: str) -> bytes:
    return base64.b64decode(signature.translate(str.maketrans("-_~", "+=/")))


def test_the_signature_is_the_keys(
    rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    found = signed(rsa_key)
    said = policy(URL, int(found["Expires"]))
    rsa_key.public_key().verify(raw(found["Signature"]), said, padding.PKCS1v15(), SHA256())
    found = signed(ec_key)
    ec_key.public_key().verify(raw(found["Signature"]), said, ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        ec_key.public_key().verify(raw(found["Signature"]), said + b" ", ec.ECDSA(SHA256()))


def test_the_commands_of_the_guide_say_the_same(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    found = signed(rsa_key)
    (tmp_path / "key.pem").write_text(pem(rsa_key))
    (tmp_path / "policy").write_text(
        f'{{"Statement": [{{"Resource": "{URL}", "Condition":\n'
        f' {{"DateLessThan": {{"AWS:EpochTime": {found["Expires"]}}}}}}}]}}\n'
    )
    command = (
        r"""cat policy | tr -d " \t\n\r" | openssl sha256 -sign key.pem """
        "| openssl base64 -A | tr -- '+=/' '-_~'"
    )
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode() == found["Signature"]


def test_the_policy_is_that_of_the_sdk() -> None:
    until = 1_767_290_400
    theirs = CloudFrontSigner(PAIR, lambda message: message)
    moment = datetime.datetime.fromtimestamp(until, datetime.UTC)
    assert theirs.build_policy(URL, moment).encode() == policy(URL, until)


def test_an_address_lasts_as_long_as_ours_do(ec_key: ec.EllipticCurvePrivateKey) -> None:
    assert int(signed(ec_key)["Expires"]) == link_ends(NOW, hours=24)
    assert 24 <= (int(signed(ec_key)["Expires"]) - NOW) / 3600 <= 25


def test_a_link_is_the_address_and_its_signature(ec_key: ec.EllipticCurvePrivateKey) -> None:
    class Store:
        def url(self, key: str) -> str:
            return f"https://d1.cloudfront.net/{key}"

    query = CdnSignatures(PAIR, pem(ec_key), hours=1, clock=lambda: NOW).query
    parts = urlsplit(CdnLinks(Store(), query).url("images/a.png"))
    assert (parts.netloc, parts.path) == ("d1.cloudfront.net", "/images/a.png")
    assert parts.query == query("https://d1.cloudfront.net/images/a.png")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(
            "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----", id="nonsense"
        ),
        pytest.param(pem(rsa.generate_private_key(65537, 3072)), id="another length"),
        pytest.param(pem(ec.generate_private_key(ec.SECP384R1())), id="another curve"),
        pytest.param(pem(ed25519.Ed25519PrivateKey.generate()), id="another kind"),
        pytest.param(
            pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"x")), id="locked"
        ),
    ],
)
def test_no_other_key_is_taken(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        CdnSignatures(PAIR, text, hours=1)
    assert refused.value.field == "SHORT_DRAMA_CLOUDFRONT_PRIVATE_KEY"
    assert not text or text[40:80] not in str(refused.value)
