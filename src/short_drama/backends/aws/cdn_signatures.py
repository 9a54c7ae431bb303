"""Signed addresses of CloudFront, with a canned policy.

By AWS's guide (AmazonCloudFront/latest/DeveloperGuide, "Create a signed URL using a canned policy"
and "Linux commands and OpenSSL for base64 encoding and encryption"): what is signed is a policy in
one form, to the letter, which is not sent along; the key is RSA of 2048 bits or ECDSA on P-256, and
SHA-256 is named where it is used.
"""

import base64
import json
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from short_drama.domain.errors import InvalidRequest
from short_drama.domain.lifetimes import link_ends

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_RSA_BITS: Final = 2048
_REMEMBERED: Final = 16_384
"""Addresses of the hour: a list of tasks has hundreds, and an RSA signature takes a millisecond."""
_TO_QUERY: Final = bytes.maketrans(b"+=/", b"-_~")


class CdnSignatures:
    """Args:
        key_pair_id: CloudFront's, of the public key.
        pem: the private key.
        hours: as `signed_urls.Signatures` has them.

    Raises InvalidRequest for a key that CloudFront does not take.
    """

    def __init__(
        self, key_pair_id: str, pem: str, *, hours: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._id, self._key = key_pair_id, read_key(pem)
        self._hours, self._clock = hours, clock
        # ECDSA signs otherwise each time: browsers would read what they have.
        self._query = lru_cache(_REMEMBERED)(self._signed)

    def query(self, url: str) -> str:
        return self._query(url, link_ends(self._clock(), hours=self._hours))

    def _signed(self, url: str, until: int) -> str:
        signature = base64.b64encode(_signature(self._key, policy(url, until)))
        parts = {
            "Expires": until,
            "Signature": signature.translate(_TO_QUERY).decode(),
            "Key-Pair-Id": self._id,
            "Hash-Algorithm": "SHA256",
        }
        return "&".join(f"{name}={value}" for name, value in parts.items())


def policy(url: str, until: int) -> bytes:
    """Members in this order, and no blanks."""
    statement = {"Resource": url, "Condition": {"DateLessThan": {"AWS:EpochTime": until}}}
    return json.dumps({"Statement": [statement]}, separators=(",", ":")).encode()


def read_key(pem: str) -> Key:
    """Raises InvalidRequest, without a word of what was given."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unsuitable("is no private key in PEM, or has a password") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size == _RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise _unsuitable("is neither RSA of 2048 bits nor ECDSA on P-256")


def _signature(key: Key, text: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text, padding.PKCS1v15(), SHA256())
    return key.sign(text, ec.ECDSA(SHA256()))


def _unsuitable(why: str) -> InvalidRequest:
    setting = "SHORT_DRAMA_CLOUDFRONT_PRIVATE_KEY"
    return InvalidRequest(
        f"{setting} {why}",
        field=setting,
        fix="Make one: openssl ecparam -name prime256v1 -genkey -noout, and give CloudFront its "
        "public key.",
    )
