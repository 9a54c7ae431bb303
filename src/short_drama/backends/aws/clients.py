"""The AWS clients, and one way to call them: a deadline of our own, our errors, a metric.

Credentials and endpoints are found as every AWS tool finds them: AWS_* variables, profiles, the
instance's role; AWS_ENDPOINT_URL_SQS and its kin point at other servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from short_drama import metrics
from short_drama.backends.aws.credentials import look_at_credentials
from short_drama.domain.errors import InvalidRequest, Unavailable

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sqs import SQSClient

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

SECONDS = 1.5
"""For one small request, its repetitions included: long enough for two of three tries, short
enough that a client hears of an outage within 2 s."""

_THROTTLING = frozenset(
    {
        "KMS.ThrottlingException",
        "OverLimit",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)


@dataclass(frozen=True, slots=True)
class Clients:
    sqs: SQSClient
    dynamodb: DynamoDBClient
    s3: S3Client
    look: Callable[[], Awaitable[None]]
    """For /metrics: at the credentials."""


@contextlib.asynccontextmanager
async def open_clients(region: str | None = None) -> AsyncIterator[Clients]:
    """Open connections lazily; nothing is called yet. Raises InvalidRequest without a region."""
    session = get_session()
    for service in ("sqs", "dynamodb", "s3"):
        metrics.CALL_SECONDS.labels(service, "refused")  # seen from the first one on
    async with contextlib.AsyncExitStack() as opened:
        try:
            yield Clients(
                await opened.enter_async_context(
                    # Longer than the longest poll: `answer` has the sharper deadlines.
                    session.create_client("sqs", region_name=region, config=_config(read=30))
                ),
                await opened.enter_async_context(
                    session.create_client("dynamodb", region_name=region, config=_config(read=5))
                ),
                await opened.enter_async_context(
                    session.create_client(
                        "s3",
                        region_name=region,
                        config=_config(
                            read=30, signature_version="s3v4", s3={"addressing_style": "virtual"}
                        ),
                    )
                ),
                look=partial(look_at_credentials, session),
            )
        except NoRegionError:
            raise InvalidRequest(
                "no AWS region is set", field="AWS_REGION", fix="Set AWS_REGION, e.g. us-east-1."
            ) from None


def _config(*, read: float, **more: Any) -> AioConfig:
    return AioConfig(
        connect_timeout=1,
        read_timeout=read,
        retries={"total_max_attempts": 3, "mode": "standard"},
        max_pool_connections=100,
        tcp_keepalive=True,
        **more,
    )


async def answer(
    service: str,
    call: Awaitable[Answer],
    *,
    seconds: float = SECONDS,
    expected: Container[str] = (),
) -> Answer:
    """What AWS answers to `call` within `seconds`.

    botocore's own timeouts bound one try; a black hole would cost all of them (13 s for 3 tries
    of 2 s, measured), hence a deadline over the whole.

    Raises ClientError for the error codes in `expected`, Unavailable for everything else. A call
    that raised Unavailable may have taken effect.
    """
    started, outcome = time.perf_counter(), "error"
    try:
        async with asyncio.timeout(seconds):
            result = await call
        outcome = "ok"
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        outcome = "throttled" if code in _THROTTLING else "refused"
        if code in expected:
            outcome = "expected"
            raise
        raise _refusal(service, code, error) from error
    except TimeoutError:
        outcome = "timeout"
        raise Unavailable(f"AWS {service} does not answer within {seconds:g} s") from None
    except (BotoCoreError, OSError) as error:
        raise Unavailable(f"AWS {service} cannot be reached: {type(error).__name__}") from error
    finally:
        metrics.CALL_SECONDS.labels(service, outcome).observe(time.perf_counter() - started)
    return result


def _refusal(service: str, code: str, error: ClientError) -> Unavailable:
    if code in _THROTTLING:
        return Unavailable(f"AWS {service} asks to slow down", after=1.0)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    if status < 500:  # a right or a resource is missing: an operator must see it
        log.error("AWS %s refuses %s: %s", service, error.operation_name, code)
    return Unavailable(f"AWS {service} refuses {error.operation_name}: {code}")
