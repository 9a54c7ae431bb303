"""What a refusal of AWS means, and what helps: the table behind docs/troubleshooting.md.

Codes and sentences are those of the error references of SQS, DynamoDB, S3 and IAM; the sentence of
a missing right is described in the IAM user guide ("Troubleshoot access denied error messages").
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from short_drama.backends.aws.asked import Asked
from short_drama.backends.aws.rights import ROLES, Names, policy
from short_drama.complaints import About, Scope
from short_drama.domain.errors import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why AWS refuses. `says` and `fix` are templates; `{thing}`, `{detail}`, `{region}`,
    `{account}`, `{said}` and `{whoever}` are filled in.

    `wide`: how many of a call's names it is about; 0 is the whole account. `lasting`: it needs a
    person.
    """

    name: str
    says: str
    fix: str | None
    wide: int = 4
    lasting: bool = True
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error, and what to complain about."""

    error: Unavailable
    about: About


_PROVISION = (
    "Run `short-drama provision`, or update the stack; if it is there, check AWS_REGION (now "
    "{region}) and {names}."
)

THROTTLED = Cause(name="throttled", says="", fix=None, wide=2, lasting=False, after=1.0)
NO_INDEX = Cause(
    name="index missing",
    says="the {thing} has no index {detail}",
    fix="Update the stack, or add the index by hand as docs/troubleshooting.md says: "
    "`short-drama provision` changes no table that exists. If it is there, check AWS_REGION (now "
    "{region}) and {names}.",
)
INDEX_NEW = Cause(
    name="index being made",
    says="the index {detail} of the {thing} is being filled",
    fix="Wait: DynamoDB says ACTIVE of the index when it is done.",
)
NO_TABLE = Cause(
    name="table missing",
    says="there is no {thing} in {region}, or it is still being created",
    fix=_PROVISION,
    wide=2,
)
TABLE_BUSY = Cause(
    name="table changing",
    says="the {thing} is being created, changed or deleted",
    fix="Wait until `aws dynamodb describe-table` says ACTIVE.",
    wide=2,
)
NO_QUEUE = Cause(
    name="queue missing", says="there is no {thing} in {region}", fix=_PROVISION, wide=2
)
QUEUE_GONE = Cause(
    name="queue just deleted",
    says="the {thing} was deleted less than 60 s ago",
    fix="Wait a minute, then run `short-drama provision`, or update the stack.",
    wide=2,
)
NO_BUCKET = Cause(
    name="bucket missing",
    says="there is no {thing}",
    fix=_PROVISION,
    wide=2,
)
BUCKET_FULL = Cause(
    name="bucket full",
    says="the {thing} takes no more: {said}",
    fix="Raise the quota of whoever serves the bucket, or delete what is not needed.",
    wide=2,
)
WRONG_REGION = Cause(
    name="wrong region",
    says="{region} was asked, but the {thing} is elsewhere: {said}",
    fix="Set AWS_REGION to the region of queues, table and bucket.",
    wide=1,
)
DENIED = Cause(
    name="right missing",
    says="{denied}",
    fix="Give {whoever} the right {action} on {resource}: attach the policy of deploy/iam "
    "({roles}). If it is attached, it may name another region than the one that was asked, "
    "{region}, or something else than {names}: check AWS_REGION and these.",
)
BY_POLICY = Cause(
    name="policy of the resource",
    says="{denied}",
    fix="A policy of the {thing} itself, or of the organisation, forbids it: take the Deny "
    "statement out, or except {whoever} from it.",
)
BY_KEY = Cause(
    name="encryption key",
    says="{denied}",
    fix="The {thing} is encrypted with a KMS key: enable the key, and let {whoever} use it "
    "(kms:Decrypt, kms:GenerateDataKey) in the key's own policy.",
)
NO_SIGNATURE = Cause(
    name="no credentials",
    says="the request carried no credentials",
    fix="Give this machine a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY; then restart the service.",
    wide=0,
)
EXPIRED = Cause(
    name="credentials expired",
    says="the credentials have expired",
    fix="Sign in anew (`aws sso login`, `aws sts assume-role`) and restart the service, or take "
    "AWS_SESSION_TOKEN and its keys away and give the machine a role, which renews itself.",
    wide=0,
)
UNKNOWN_KEY = Cause(
    name="key unknown",
    says="AWS does not know the access key, or it was revoked",
    fix="Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, of a role, AWS_SESSION_TOKEN to a key "
    "that is active in this account, or take them away and give the machine a role; restart the "
    "service.",
    wide=0,
)
WRONG_SECRET = Cause(
    name="secret wrong",
    says="the secret does not belong to the access key",
    fix="Set AWS_SECRET_ACCESS_KEY again, whole and without spaces or line breaks, and restart "
    "the service.",
    wide=0,
)
CLOCK = Cause(
    name="clock wrong",
    says="this machine's clock is not AWS's: {said}",
    fix="Set the clock: `timedatectl set-ntp true`, then look at `timedatectl`.",
    wide=0,
)
NO_ACCOUNT = Cause(
    name="account",
    says="the account may not use the service: {said}",
    fix="Settle it in the account's console, under billing, or with AWS support.",
    wide=0,
)
UNSAID = Cause(
    name="not said why",
    says="S3 does not say why to a request for a header",
    fix="Most often the region is wrong (AWS_REGION, now {region}) or a token has expired: other "
    "requests say which.",
)
FAILED = Cause(name="failing", says="", fix=None, wide=1, lasting=False)
OTHER = Cause(
    name="other",
    says="{said}",
    fix="Look the code up in the API reference of the operation, and at the {thing}.",
)

_CODES: Final[Mapping[Cause, str]] = {
    THROTTLED: "KMS.ThrottlingException OverLimit ProvisionedThroughputExceededException "
    "RequestLimitExceeded RequestThrottled RequestThrottledException SlowDown Throttling "
    "ThrottlingException ThrottledException TooManyRequestsException",
    NO_TABLE: "ResourceNotFoundException TableNotFoundException",
    TABLE_BUSY: "ResourceInUseException TableInUseException",
    NO_QUEUE: "AWS.SimpleQueueService.NonExistentQueue QueueDoesNotExist",
    QUEUE_GONE: "AWS.SimpleQueueService.QueueDeletedRecently QueueDeletedRecently",
    NO_BUCKET: "NoSuchBucket",
    BUCKET_FULL: "QuotaExceeded XMinioStorageFull InsufficientStorage 507",
    WRONG_REGION: "PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed "
    "IllegalLocationConstraintException 301 307",
    DENIED: "AccessDenied AccessDeniedException AuthorizationError AllAccessDisabled Forbidden "
    "UnauthorizedOperation UnauthorizedAccess 403",
    BY_KEY: "InaccessibleEncryptionCredentialsException KmsAccessDenied KmsDisabled "
    "KmsInvalidState KmsNotFound KmsOptInRequired KMS.AccessDeniedException "
    "KMS.DisabledException KMS.InvalidStateException KMS.NotFoundException "
    "KMS.OptInRequired",
    NO_SIGNATURE: "MissingAuthenticationToken MissingAuthenticationTokenException "
    "MissingSecurityHeader",
    EXPIRED: "ExpiredToken ExpiredTokenException TokenRefreshRequired",
    UNKNOWN_KEY: "InvalidClientTokenId InvalidAccessKeyId UnrecognizedClientException "
    "InvalidToken InvalidSecurity NotSignedUp",
    WRONG_SECRET: "SignatureDoesNotMatch InvalidSignatureException InvalidSignature "
    "IncompleteSignature IncompleteSignatureException",
    CLOCK: "RequestTimeTooSkewed RequestExpired RequestInTheFuture",
    NO_ACCOUNT: "AccountProblem AccountSuspended OptInRequired SubscriptionRequiredException "
    "InvalidPayer Blocked",
    UNSAID: "400",
}  # fmt: skip
_BY_CODE: Final[Mapping[str, Cause]] = {
    code: cause for cause, codes in _CODES.items() for code in codes.split()
}
THROTTLING: Final = frozenset(_CODES[THROTTLED].split())

_BY_WORDS: Final[Sequence[tuple[frozenset[str], str, Cause]]] = (
    (frozenset({"ValidationException"}), r"backfill", INDEX_NEW),
    (frozenset({"ValidationException", "ResourceNotFoundException"}), r"\bindex\b", NO_INDEX),
    (frozenset(_CODES[WRONG_SECRET].split()), r"expired|not yet current|skew|earlier|later", CLOCK),
    (frozenset(_CODES[WRONG_SECRET].split()), r"valid region|scoped to", WRONG_REGION),
    (frozenset(_CODES[DENIED].split()), r"\bkms:|ciphertext|KMS key", BY_KEY),
    (frozenset(_CODES[DENIED].split()), r"explicit deny|service control policy", BY_POLICY),
)
"""Codes of which the sentence tells more; the first that fits."""

_DENIED: Final = re.compile(
    r"User: (?P<caller>\S+) is not authorized to perform: (?P<action>[\w:*-]+)"
    r"(?: on resource: \"?(?P<resource>[^\s\"]+)\"?)?(?P<because> (?:because|with) .*)?"
)
_SECRETS: Final = (
    re.compile(r"(?is)(?:The )?Canonical String.*|Encoded authorization failure.*"),
    re.compile(r"\bA[KS]IA[A-Z0-9]{12,}\b"),
    re.compile(r"(?i)(?<=\bsignature=)\S+|(?<=\btoken=)\S+|(?<=\btoken:)\S+|(?<=\bcredential=)\S+"),
    re.compile(r"[A-Za-z0-9+=%_]{60,}"),
)
_LONGEST = 400
_SETTINGS: Final[Mapping[str, str]] = {
    "sqs": "SHORT_DRAMA_NAME_PREFIX",
    "dynamodb": "SHORT_DRAMA_NAME_PREFIX and SHORT_DRAMA_TABLE",
    "s3": "SHORT_DRAMA_BUCKET",
}
"""Those that name what was asked for."""
_ANYWHERE: Final = Names("*", "*", "*", "*")


def explain(asked: Asked, code: str, message: str, *, status: int = 400) -> Refusal:
    """What a refusal with this code and sentence means. `status` is HTTP's."""
    cause = _cause(asked, code, message, status)
    words = _words(asked, message)
    says = cause.says.format_map(words)
    if cause is THROTTLED:
        detail = f"AWS {asked.service} asks to slow down"
    elif cause is FAILED:
        detail = f"AWS {asked.service} fails at {asked.operation}: {code or status}"
    elif says.startswith(code):
        detail = f"AWS {asked.service} refuses {asked.operation}: {says}"
    elif cause in (DENIED, BY_POLICY, BY_KEY, OTHER):
        detail = f"AWS {asked.service} refuses {asked.operation}: {code}: {says}"
    else:
        detail = f"AWS {asked.service} refuses {asked.operation}: {says} ({code})"
    fix = None if cause.fix is None else cause.fix.format_map(words)
    return Refusal(
        Unavailable(detail, fix=fix, after=cause.after),
        About(
            part=asked.part,
            cause=cause.name,
            scope=_scope(asked, cause.wide),
            lasting=cause.lasting,
        ),
    )


def redacted(message: str) -> str:
    """AWS's sentence in one line, without keys, tokens and signatures. ARNs stay: they say who
    was refused what."""
    for secret in _SECRETS:
        message = secret.sub("...", message)
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _cause(asked: Asked, code: str, message: str, status: int) -> Cause:
    if code == "404" and asked.operation == "HeadBucket":
        return NO_BUCKET
    for codes, words, cause in _BY_WORDS:
        if code in codes and re.search(words, message, re.IGNORECASE):
            return cause
    known = _BY_CODE.get(code)
    if known is not None:
        return known
    return FAILED if status >= 500 else OTHER


def _scope(asked: Asked, wide: int) -> Scope:
    names = asked.names[:wide]
    while names and not names[-1]:
        names = names[:-1]
    return names


def _words(asked: Asked, message: str) -> Mapping[str, str]:
    said = redacted(message)
    known = _DENIED.search(said)
    found = {} if known is None else {name: text or "" for name, text in known.groupdict().items()}
    action = found.get("action") or asked.action
    caller = found.get("caller", "")
    resource = (found.get("resource") or "").strip(".,") or _resource(asked, caller)
    denied = f"{caller or 'the caller'} is not authorized to perform {action} on {resource}"
    because = found.get("because", "")
    if known is None and said and said.lower() not in ("access denied", "forbidden"):
        because = f" ({said})"
    return {
        "thing": asked.words,
        "detail": asked.detail,
        "region": asked.region or "a region that is not known",
        "said": said or "AWS says no more",
        "denied": f"{denied}{because}".rstrip("."),
        "whoever": caller or "the role of this process",
        "action": action,
        "resource": resource,
        "names": _SETTINGS.get(asked.service, "the settings"),
        "roles": _roles(action, resource),
    }


def _resource(asked: Asked, caller: str) -> str:
    """Its ARN, as far as that is known: the account is the caller's."""
    account = caller.split(":")[4] if caller.count(":") >= 4 else "*"
    if asked.service == "s3" and asked.thing:
        return f"arn:aws:s3:::{asked.thing}" + (f"/{asked.detail}" if asked.detail else "")
    if not asked.thing:
        return f"AWS {asked.service}"
    place = f"arn:aws:{asked.service}:{asked.region or '*'}:{account}"
    if asked.service == "sqs":
        return f"{place}:{asked.thing}"
    return f"{place}:table/{asked.thing}" + (f"/index/{asked.detail}" if asked.detail else "")


def _roles(action: str, resource: str) -> str:
    """Those of ours that have the right there; where none has, those that have it elsewhere."""
    having = [role for role in ROLES if _allows(role, action, resource)]
    elsewhere = [role for role in ROLES if _allows(role, action, None)]
    return ", ".join(having or elsewhere) or "none of ours has that right"


def _allows(role: str, action: str, resource: str | None) -> bool:
    """`resource`: None for any. AWS does not always write actions as it does in policies."""
    return any(
        any(fnmatchcase(action.lower(), one.lower()) for one in statement["Action"])
        and (resource is None or any(fnmatchcase(resource, one) for one in statement["Resource"]))
        for statement in policy(role, _ANYWHERE)["Statement"]
    )
