"""Why a call to AWS was not answered, and what helps: botocore's own errors, by their names.

Some mean that nothing was sent: nobody signs in, or a profile is not there.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from short_drama.backends.aws.asked import Asked
from short_drama.backends.aws.refusal import EXPIRED, NO_SIGNATURE, Cause, Refusal, redacted
from short_drama.complaints import About
from short_drama.domain.errors import InvalidRequest, Unavailable

_HALF = Cause(
    name="credentials incomplete",
    says="a part of the AWS credentials is missing",
    fix="Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither.",
)
_NO_CREDENTIALS = Cause(name="no credentials", says="there are no AWS credentials",
                        fix=NO_SIGNATURE.fix)  # fmt: skip
_NOT_OBTAINED = Cause(
    name="credentials not obtained",
    says="the AWS credentials could not be obtained",
    fix="Look at the profile that AWS_PROFILE names (`aws sts get-caller-identity` says more), or "
    "at the machine's instance profile and its metadata service.",
)
_SIGNED_OUT = Cause(name="signed out", says="the sign-in of AWS has expired", fix=EXPIRED.fix)

_CREDENTIALS: Final[Mapping[str, Cause]] = {
    "NoCredentialsError": _NO_CREDENTIALS,
    "NoAuthTokenError": _NO_CREDENTIALS,
    "PartialCredentialsError": _HALF,
    "CredentialRetrievalError": _NOT_OBTAINED,
    "MetadataRetrievalError": _NOT_OBTAINED,
    "RefreshWithMFAUnsupportedError": _NOT_OBTAINED,
    "SSOError": _SIGNED_OUT,
    "SSOTokenLoadError": _SIGNED_OUT,
    "TokenRetrievalError": _SIGNED_OUT,
    "UnauthorizedSSOTokenError": _SIGNED_OUT,
    "LoginError": _SIGNED_OUT,
}

_NETWORK: Final = frozenset(
    {"OSError", "ConnectionError", "HTTPClientError", "IncompleteReadError"}
)
"""The families of errors that mean that something is wrong on the way."""
_ELSE = "Check the AWS_* variables and ~/.aws/config."
_TLS = re.compile(r"certificate|SSLError|SSLCert|WRONG_VERSION|tlsv1|handshake", re.IGNORECASE)
_NAME = re.compile(r"name or service|name resolution|getaddrinfo|nodename|DNSError", re.IGNORECASE)
_PROXY = re.compile(r"proxy", re.IGNORECASE)
_ENDPOINT = "AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_{service}"


class _Way(NamedTuple):
    pattern: re.Pattern[str]
    says: str
    fix: str


_WAYS: Final = (
    _Way(_PROXY, "the proxy does not let it through", "Check HTTPS_PROXY and NO_PROXY."),
    _Way(
        _NAME,
        "its name is not found",
        "Check AWS_REGION (now {region}; a misspelt region is no name), DNS, and " + _ENDPOINT
        + " if it is set.",
    ),
    _Way(
        _TLS,
        "its certificate is not trusted",
        "Check the clock and the certificates of this machine; of a server of your own, set "
        "AWS_CA_BUNDLE.",
    ),
)  # fmt: skip
_NO_WAY = (
    "nobody answers",
    "Check the network, the security groups and VPC endpoints, and " + _ENDPOINT
    + " if it is set.",
)  # fmt: skip


def explain_silence(asked: Asked, error: BaseException | None) -> Refusal:
    """What an error means that is not AWS's."""
    for kind in type(error).__mro__:
        cause = _CREDENTIALS.get(kind.__name__)
        if cause is not None:
            words = f"{cause.says}: {redacted(str(error))}"
            problem = Unavailable(words, fix=cause.fix)
            return Refusal(problem, About(part=asked.part, cause=cause.name))
    if not _NETWORK & {kind.__name__ for kind in type(error).__mro__}:
        words = f"AWS {asked.service} cannot be asked: {redacted(str(error))}"
        problem = Unavailable(f"{words} ({type(error).__name__})", fix=_ELSE)
        return Refusal(problem, About(part=asked.part, cause="other", scope=asked.names))
    says, fix = _way(error)
    return _unreachable(asked, f"cannot be reached{_at(asked)}: {says}", fix)


def explain_timeout(asked: Asked, seconds: float, mishap: BaseException | None) -> Refusal:
    """No answer came. `mishap`: why the latest of several tries failed, where that is known."""
    says, fix = _way(mishap)
    why = "" if mishap is None else f": {says}"
    return _unreachable(asked, f"does not answer within {seconds:g} s{_at(asked)}{why}", fix)


def _unreachable(asked: Asked, words: str, fix: str) -> Refusal:
    fix = fix.format(service=asked.service.upper(), region=asked.region or "not known")
    return Refusal(
        Unavailable(f"AWS {asked.service} {words}", fix=fix),
        About(part=asked.part, cause="unreachable", scope=(asked.service,), lasting=False),
    )


def _way(error: BaseException | None) -> tuple[str, str]:
    words = " ".join(_chain(error))
    for way in _WAYS:
        if way.pattern.search(words):
            return f"{way.says} ({type(error).__name__})", way.fix
    says, fix = _NO_WAY
    return f"{says} ({type(error).__name__})", fix


def explain_setup(error: BaseException) -> InvalidRequest:
    """Why no client could be made."""
    said = redacted(str(error))
    field, fix = _SETUP.get(type(error).__name__, ("", ""))
    if not field and "endpoint" in said.lower():
        field, fix = "AWS_ENDPOINT_URL", "Give it as http://HOST:PORT, or take it away."
    elif not field:
        fix = _ELSE
    return InvalidRequest(f"AWS cannot be used: {said}", field=field or None, fix=fix)


_SETUP: Final[Mapping[str, tuple[str, str]]] = {
    "ConfigNotFound": ("AWS_CONFIG_FILE", "Name a file that is there."),
    "ConfigParseError": ("AWS_CONFIG_FILE", "Correct the file: sections in [], then NAME = VALUE."),
    "InvalidRegionError": ("AWS_REGION", "Set AWS_REGION, e.g. us-east-1."),
    "PartialCredentialsError": ("AWS_SECRET_ACCESS_KEY", _HALF.fix or ""),
    "ProfileNotFound": (
        "AWS_PROFILE",
        "Name one that `aws configure list-profiles` shows, or take AWS_PROFILE away.",
    ),
}


def _at(asked: Asked) -> str:
    """Where it was sent, without what a URL may hold beside: a user's name and password."""
    if asked.endpoint is None:
        return ""
    return f" at {urlsplit(asked.endpoint).netloc.rpartition('@')[2]}"


def _chain(error: BaseException | None) -> list[str]:
    """The sentences of an error and of those behind it; names of classes tell, too."""
    words: list[str] = []
    while error is not None and len(words) < 10:
        words += [type(error).__name__, str(error)]
        error = error.__cause__ or error.__context__
    return words
