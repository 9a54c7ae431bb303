"""The certificate that manifests are signed with: the operator's, or one made for development.

C2PA wants a chain whose leaf may sign and carries an extended key usage that its readers accept;
`emailProtection` is accepted by default (C2PA 2.2, section 14.4).
"""

import contextlib
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from short_drama.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

DEVELOPMENT: Final = "short-drama DEVELOPMENT certificate, vouches for nobody"
"""Whose certificates those are that are made here."""
FILE: Final = "c2pa-development.pem"
"""In the data directory, where one is made there."""
_YEARS: Final = 10
_EDGE: Final = "-----BEGIN"
_CURVES: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """`chain` and `key` are PEM, the chain's leaf first; `algorithm` is C2PA's name of how the key
    signs; `issuer` and `name` are the leaf's organization and common name, and `until` its last
    moment, in Unix seconds."""

    chain: str
    key: str = field(repr=False)
    algorithm: str
    issuer: str
    name: str
    until: float

    @property
    def is_development(self) -> bool:
        return self.issuer == DEVELOPMENT


def read(chain: str, key: str, *, clock: Callable[[], float] = time.time) -> Certificate:
    """Raises InvalidRequest for what cannot sign: no PEM, another certificate's key, a key that is
    none of C2PA's, or a time at which it does not hold."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        leaf = x509.load_pem_x509_certificates(chain.encode())[0]
        private = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise _unusable(f"it cannot be read: {error}"[:200]) from None
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    both = [
        each.public_bytes(serialization.Encoding.DER, public)
        for each in (leaf.public_key(), private.public_key())
    ]
    if both[0] != both[1]:
        raise _unusable("the key is another certificate's")
    if not leaf.not_valid_before_utc.timestamp() <= clock() <= leaf.not_valid_after_utc.timestamp():
        holds = f"{leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}"
        raise _unusable(f"it holds from {holds}")
    return Certificate(
        chain=chain,
        key=key,
        algorithm=_algorithm(private),
        issuer=_named(leaf, x509.NameOID.ORGANIZATION_NAME),
        name=_named(leaf, x509.NameOID.COMMON_NAME),
        until=leaf.not_valid_after_utc.timestamp(),
    )


def serial_of(chain: str) -> str:
    """Of the chain's leaf: unique among those of its authority. Raises ValueError."""
    from cryptography import x509

    return str(x509.load_pem_x509_certificates(chain.encode())[0].serial_number)


def development(file: Path, *, clock: Callable[[], float] = time.time) -> Certificate:
    """The one in the file, which whoever comes first makes: key and chain in one, for its owner
    alone. Raises InvalidRequest where the file holds something else, OSError."""
    with contextlib.suppress(FileExistsError):
        if not file.exists():
            _write_once(file, _made(datetime.fromtimestamp(clock(), UTC)))
    text = file.read_text("ascii")
    key, _, chain = text.partition("-----END PRIVATE KEY-----\n")
    return read(chain, f"{key}-----END PRIVATE KEY-----\n", clock=clock)


def _write_once(file: Path, text: str) -> None:
    """Whole or not at all. Raises FileExistsError when somebody else was first."""
    temporary = file.with_name(f".{file.name}-{secrets.token_hex(8)}")
    temporary.touch(mode=0o600)
    try:
        temporary.write_text(text, "ascii")
        os.link(temporary, file)
    finally:
        temporary.unlink()


def _made(now: datetime) -> str:
    """A key, its certificate, and that of the root that vouches for it, whose own key is thrown
    away: nothing else is ever signed with it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain = (_signed("signer", key, root_key, now), _signed("root", root_key, root_key, now))
    public = [each.public_bytes(serialization.Encoding.PEM) for each in chain]
    return b"".join((private, *public)).decode("ascii")


def _signed(
    name: str,
    key: "EllipticCurvePrivateKey",
    root_key: "EllipticCurvePrivateKey",
    now: datetime,
) -> "x509.Certificate":
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    is_root = name == "root"
    usage = x509.KeyUsage(
        digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(_called(name))
        .issuer_name(_called("root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # for readers whose clocks are behind
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
    )
    if not is_root:
        mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(mail, critical=False)
    return builder.sign(root_key, hashes.SHA256())


def _called(name: str) -> "x509.Name":
    from cryptography import x509

    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, DEVELOPMENT),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, f"short-drama development {name}"),
        ]
    )


def _named(leaf: "x509.Certificate", what: "x509.ObjectIdentifier") -> str:
    found = leaf.subject.get_attributes_for_oid(what)
    return str(found[0].value) if found else ""


def _algorithm(key: object) -> str:
    """Raises InvalidRequest."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "ps256"
    raise _unusable("its key is none that C2PA allows")


def _unusable(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"the certificate for manifests cannot be used: {why}",
        field="SHORT_DRAMA_C2PA_CERTIFICATE",
        fix="Give a PEM chain, its leaf first, and in SHORT_DRAMA_C2PA_KEY that leaf's key: P-256, "
        "P-384, P-521, Ed25519, or RSA of 2048 bits or more.",
    )
