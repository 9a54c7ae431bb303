"""What AWS's refusals mean: the sentences that AWS really says, and words that tell the cure."""

import re
from pathlib import Path

import pytest
from botocore.exceptions import (
    ClientError,
    ConfigParseError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    SSLError,
    TokenRetrievalError,
)
from hypothesis import given
from hypothesis import strategies as st

from short_drama.backends.aws import refusal
from short_drama.backends.aws.asked import Asked, asked_of
from short_drama.backends.aws.no_answer import explain_setup, explain_silence, explain_timeout
from short_drama.backends.aws.refusal import explain, redacted

REGION = "eu-west-1"
ROLE = "arn:aws:sts::123456789012:assumed-role/short-drama-paid-api/i-0abc"
PAGE = Path(__file__).parents[3] / "docs" / "troubleshooting.md"


def asked(service: str, operation: str, **parameters: object) -> Asked:
    endpoint = f"https://user:secret@{service}.{REGION}.amazonaws.com"
    return asked_of(service, operation, parameters, region=REGION, endpoint=endpoint)


QUERY = asked("dynamodb", "Query", TableName="task_store", IndexName="lane-due_at-index")
GET_ITEM = asked("dynamodb", "GetItem", TableName="task_store")
BATCH = asked("dynamodb", "BatchGetItem", RequestItems={"task_store": {}})
LEDGER = asked(
    "dynamodb", "TransactWriteItems", TransactItems=[{"Update": {"TableName": "task_store"}}]
)
RECEIVE = asked("sqs", "ReceiveMessage", QueueUrl="https://sqs/123456789012/gpu_tasks_queue")
LOOK_UP = asked("sqs", "GetQueueUrl", QueueName="gpu_tasks_dlq")
PUT = asked("s3", "PutObject", Bucket="short-drama-assets", Key="images/face_swap/1_a.png")
HEAD = asked("s3", "HeadObject", Bucket="short-drama-assets", Key="uploads/a.png")

REFUSALS = [
    (QUERY, "ValidationException", "The table does not have the specified index: lane-due_at-index",
     ["table task_store has no index lane-due_at-index"], ["stack", "AWS_REGION", REGION]),
    (QUERY, "ValidationException",
     "Cannot read from backfilling global secondary index: lane-due_at-index",
     ["lane-due_at-index", "being filled"], ["Wait"]),
    (GET_ITEM, "ResourceNotFoundException", "Requested resource not found",
     ["no table task_store", REGION], ["provision", "SHORT_DRAMA_TABLE"]),
    (BATCH, "ResourceNotFoundException", "Requested resource not found",
     ["no table task_store"], ["provision"]),
    (LEDGER, "ResourceInUseException", "Table is being updated", ["table task_store"], ["ACTIVE"]),
    (RECEIVE, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist",
     ["no SQS queue gpu_tasks_queue"], ["provision", "AWS_REGION", "SHORT_DRAMA_NAME_PREFIX"]),
    (LOOK_UP, "QueueDoesNotExist", "", ["no SQS queue gpu_tasks_dlq"], ["provision"]),
    (LOOK_UP, "AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds",
     ["gpu_tasks_dlq"], ["Wait a minute"]),
    (PUT, "NoSuchBucket", "The specified bucket does not exist",
     ["no bucket short-drama-assets"], ["provision", "SHORT_DRAMA_BUCKET"]),
    (PUT, "PermanentRedirect", ("The bucket you are attempting to access must be addressed using "
     "the specified endpoint."), [REGION, "elsewhere"], ["AWS_REGION"]),
    (PUT, "AuthorizationHeaderMalformed", ("The authorization header is malformed; the region "
     "'eu-west-1' is wrong; expecting 'us-east-1'"), ["expecting 'us-east-1'"], ["AWS_REGION"]),
    (RECEIVE, "SignatureDoesNotMatch", "Credential should be scoped to a valid region, not 'x'.",
     [REGION], ["AWS_REGION"]),
    (PUT, "AccessDenied", (f"User: {ROLE} is not authorized to perform: s3:PutObject on resource: "
     '"arn:aws:s3:::short-drama-assets/images/face_swap/1_a.png" because no identity-based policy '
     "allows the s3:PutObject action"),
     [ROLE, "s3:PutObject", "arn:aws:s3:::short-drama-assets/images/face_swap/1_a.png",
      "no identity-based policy"], [ROLE, "s3:PutObject", "deploy/iam", "AWS_REGION"]),
    (PUT, "AccessDenied", "Access Denied", ["s3:PutObject", "short-drama-assets/images"],
     ["s3:PutObject", "deploy/iam"]),
    (QUERY, "AccessDeniedException", (f"User: {ROLE} is not authorized to perform: dynamodb:Query "
     "on resource: arn:aws:dynamodb:eu-west-1:12:table/task_store/index/lane-due_at-index"),
     [ROLE, "table/task_store/index/lane-due_at-index"], ["dynamodb:Query", "orchestrator"]),
    (LOOK_UP, "AccessDenied", f"User: {ROLE} is not authorized to perform: sqs:getqueueurl",
     ["arn:aws:sqs:eu-west-1:123456789012:gpu_tasks_dlq"], ["AWS_REGION", REGION]),
    (LEDGER, "AccessDeniedException", "", ["dynamodb:UpdateItem"], ["paid-api"]),
    (HEAD, "403", "Forbidden", ["s3:GetObject", "uploads/a.png"], ["deploy/iam"]),
    (HEAD, "400", "Bad Request", ["does not say why"], ["AWS_REGION"]),
    (PUT, "AccessDenied", (f"User: {ROLE} is not authorized to perform: s3:PutObject on resource: "
     '"arn:aws:s3:::b/k" with an explicit deny in a resource-based policy'),
     ["explicit deny"], ["policy of the bucket", "Deny"]),
    (PUT, "AccessDenied", (f"User: {ROLE} is not authorized to perform: kms:GenerateDataKey on "
     "resource: arn:aws:kms:eu-west-1:1:key/2 because no resource-based policy allows it"),
     ["kms:GenerateDataKey"], ["KMS key"]),
    (RECEIVE, "KMS.DisabledException", "arn:aws:kms:x is disabled.", ["x is disabled"], ["KMS"]),
    (RECEIVE, "InvalidClientTokenId", "The security token included in the request is invalid.",
     ["access key"], ["AWS_ACCESS_KEY_ID"]),
    (GET_ITEM, "UnrecognizedClientException", "The security token ... is invalid.",
     ["access key"], ["AWS_ACCESS_KEY_ID"]),
    (PUT, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.",
     ["access key"], ["AWS_ACCESS_KEY_ID"]),
    (GET_ITEM, "ExpiredTokenException", "The security token included in the request is expired",
     ["expired"], ["aws sso login", "AWS_SESSION_TOKEN"]),
    (PUT, "ExpiredToken", "The provided token has expired.", ["expired"], ["AWS_SESSION_TOKEN"]),
    (GET_ITEM, "InvalidSignatureException", ("The request signature we calculated does not match "
     "the signature you provided. The Canonical String for this request should have been 'POST"),
     ["secret does not belong"], ["AWS_SECRET_ACCESS_KEY"]),
    (PUT, "SignatureDoesNotMatch", "", ["secret does not belong"], ["AWS_SECRET_ACCESS_KEY"]),
    (GET_ITEM, "InvalidSignatureException", ("Signature expired: 20261127T100000Z is now earlier "
     "than 20261127T101000Z"), ["clock", "20261127T101000Z"], ["timedatectl"]),
    (PUT, "RequestTimeTooSkewed", ("The difference between the request time and the current time "
     "is too large."), ["clock"], ["timedatectl"]),
    (PUT, "MissingSecurityHeader", "", ["no credentials"], ["AWS_PROFILE", "role"]),
    (PUT, "QuotaExceeded", "Bucket quota exceeded", ["takes no more"], ["quota"]),
    (PUT, "OptInRequired", "You are not subscribed", ["You are not subscribed"], ["console"]),
    (PUT, "SomethingNew", "A sentence of AWS.", ["SomethingNew: A sentence of AWS."], ["API"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "code", "message", "says", "cures"),
    REFUSALS,
    ids=[f"{one[0].operation}-{one[1]}-{number}" for number, one in enumerate(REFUSALS)],
)
def test_a_refusal_names_cause_and_cure(
    call: Asked, code: str, message: str, says: list[str], cures: list[str]
) -> None:
    found = explain(call, code, message)
    assert found.error.detail.startswith(f"AWS {call.service} refuses {call.operation}: ")
    assert code in found.error.detail
    assert found.error.fix is not None
    for words in says:
        assert words in found.error.detail
    for words in cures:
        assert words in found.error.fix
    assert found.about.lasting
    assert not found.error.counts


@pytest.mark.parametrize("code", sorted(refusal.THROTTLING))
def test_being_asked_to_slow_down_needs_nobody(code: str) -> None:
    found = explain(PUT, code, "Please reduce your request rate.", status=503)
    assert (found.error.after, found.about.lasting) == (1.0, False)


def test_a_failure_of_aws_needs_nobody() -> None:
    found = explain(PUT, "InternalError", "We encountered an internal error.", status=500)
    assert "fails at PutObject" in found.error.detail
    assert not found.about.lasting


def test_every_code_of_the_table_has_words_for_every_call() -> None:
    for code in refusal._BY_CODE:
        for call in (QUERY, RECEIVE, PUT, HEAD, Asked(service="sqs")):
            found = explain(call, code, "")
            assert "{" not in found.error.detail + str(found.error.fix)


def test_a_dead_letter_queue_is_a_part_of_its_own() -> None:
    assert explain(LOOK_UP, "QueueDoesNotExist", "").about.part == "dead letters"
    assert explain(RECEIVE, "QueueDoesNotExist", "").about.part == "queues"
    other = asked("sqs", "GetQueueUrl", QueueName="gpu_tasks_queue")
    assert explain(other, "QueueDoesNotExist", "").about.part == "queues"


def test_a_right_is_missing_for_a_folder_and_a_key_for_all() -> None:
    assert explain(PUT, "AccessDenied", "").about.scope == (
        "s3", "short-drama-assets", "PutObject", "images",
    )  # fmt: skip
    assert explain(PUT, "InvalidAccessKeyId", "").about.scope == ()


@pytest.mark.parametrize(
    ("call", "roles"),
    [
        (RECEIVE, "(gpu-adapter)"),
        (PUT, "(orchestrator, paid-api)"),
        (QUERY, "orchestrator"),
        (LEDGER, "paid-api"),
        (asked("sqs", "SendMessage", QueueUrl="https://x/stage-cpu_tasks_queue"), "orchestrator"),
        (asked("dynamodb", "PutItem", TableName="other"), "cpu-adapter"),
        (asked("s3", "DeleteBucket", Bucket="b"), "none of ours"),
    ],
)
def test_the_roles_that_should_have_a_right_are_named(call: Asked, roles: str) -> None:
    assert roles in str(explain(call, "AccessDenied", "").error.fix)


# --- Secrets ------------------------------------------------------------------------------

TOKEN = "FwoGZXIvYXdzEBYaDKq9" * 6


@pytest.mark.parametrize(
    "message",
    [
        f"The Canonical String should have been 'POST\n/\nx-amz-security-token:{TOKEN}\n'",
        f"... Encoded authorization failure message: {TOKEN}",
        f"X-Amz-Signature={TOKEN}",
        f"the token {TOKEN} is no token",
        "the key AKIAIOSFODNN7EXAMPLE is none of ours",
    ],
)
def test_no_secret_is_repeated(message: str) -> None:
    for code in ("AccessDenied", "SignatureDoesNotMatch", "SomethingNew", "InvalidToken"):
        words = explain(PUT, code, message).error.detail
        assert TOKEN[:12] not in words
        assert "AKIAIOSFODNN7EXAMPLE" not in words


@given(st.text(max_size=3000), st.text(max_size=60))
def test_any_sentence_becomes_a_line(message: str, code: str) -> None:
    found = explain(PUT, code, message)
    assert "\n" not in redacted(message)
    assert len(found.error.detail) < 1500


# --- No answer ----------------------------------------------------------------------------


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


UNREACHABLE = EndpointConnectionError(endpoint_url="https://user:secret@sqs")
SILENCES = [
    (NoCredentialsError(), ["no AWS credentials"], ["AWS_PROFILE", "role"], True),
    (PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
     ["AWS_SECRET_ACCESS_KEY"], ["AWS_ACCESS_KEY_ID"], True),
    (TokenRetrievalError(provider="sso", error_msg="Token has expired"),
     ["expired"], ["aws sso login"], True),
    (caused(UNREACHABLE, OSError("[Name or service not known]")),
     ["its name is not found"], ["AWS_REGION", REGION, "DNS"], False),
    (EndpointConnectionError(endpoint_url="https://user:secret@sqs"),
     ["nobody answers"], ["AWS_ENDPOINT_URL_SQS"], False),
    (SSLError(endpoint_url="x", error=OSError("certificate verify failed")), ["certificate"],
     ["AWS_CA_BUNDLE"], False),
    (ProxyConnectionError(proxy_url="http://user:secret@proxy"), ["proxy"], ["HTTPS_PROXY"], False),
    (ParamValidationError(report="a key is too long"), ["cannot be asked", "too long"], ["AWS_"],
     True),
    (ConnectTimeoutError(endpoint_url="x"), ["cannot be reached"], ["security groups"], False),
]  # fmt: skip


@pytest.mark.parametrize(("error", "says", "cures", "lasting"), SILENCES)
def test_a_silence_names_cause_and_cure(
    error: Exception, says: list[str], cures: list[str], lasting: bool
) -> None:
    found = explain_silence(RECEIVE, error)
    for words in says:
        assert words in found.error.detail
    for words in cures:
        assert words in str(found.error.fix)
    assert found.about.lasting is lasting
    assert "secret@" not in found.error.detail


def test_no_credentials_are_not_a_way_that_is_closed() -> None:
    assert "cannot be reached" not in explain_silence(RECEIVE, NoCredentialsError()).error.detail


def test_a_timeout_says_why_the_latest_try_failed() -> None:
    refused = explain_timeout(RECEIVE, 1.5, EndpointConnectionError(endpoint_url="x"))
    assert "does not answer within 1.5 s" in refused.error.detail
    assert "nobody answers" in refused.error.detail
    assert "nobody" not in explain_timeout(RECEIVE, 1.5, None).error.detail


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (ProfileNotFound(profile="studio"), "AWS_PROFILE"),
        (ConfigParseError(path="/etc/aws"), "AWS_CONFIG_FILE"),
        (PartialCredentialsError(provider="env", cred_var="x"), "AWS_SECRET_ACCESS_KEY"),
        (ValueError("Invalid endpoint: nonsense"), "AWS_ENDPOINT_URL"),
    ],
)
def test_settings_of_aws_that_cannot_be_used_are_named(error: Exception, field: str) -> None:
    found = explain_setup(error)
    assert found.field == field
    assert found.fix


def test_errors_are_botocores() -> None:
    """As it makes them: the message of a ClientError is not needed for the cause."""
    error = ClientError({"Error": {"Code": "NoSuchBucket", "Message": ""}}, "PutObject")
    code = error.response["Error"]["Code"]
    assert explain(PUT, code, "").about.cause == "bucket missing"


def test_every_cause_is_explained_in_the_docs() -> None:
    page = PAGE.read_text()
    for cause in (*refusal._CODES, refusal.FAILED, refusal.NO_INDEX, refusal.BY_POLICY):
        assert re.search(rf"^\| {re.escape(cause.name)} \|", page, re.MULTILINE), cause.name
