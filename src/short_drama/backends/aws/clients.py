"""The AWS clients, and one way to call them: a deadline of our own, our errors, a metric.

Credentials and endpoints are found as every AWS tool finds them: AWS_* variables, profiles, the
instance's role; AWS_ENDPOINT_URL_SQS and its kin point at other servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from short_drama import metrics, tracing
from short_drama.backends.aws.asked import Asked, asked_of
from short_drama.backends.aws.credentials import look_at_credentials
from short_drama.backends.aws.no_answer import explain_setup, explain_silence, explain_timeout
from short_drama.backends.aws.refusal import THROTTLING, Refusal, explain
from short_drama.complaints import Complaints
from short_drama.domain.errors import InvalidRequest, Unavailable

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sqs import SQSClient

Answer = TypeVar("Answer")

SECONDS = 1.5
"""For one small request, its repetitions included: long enough for two of three tries, short
enough that a client hears of an outage within 2 s."""


@dataclass(slots=True)
class _Call:
    """One under way. `mishap`: why its latest try failed, of which botocore says nothing while it
    tries again."""

    asked: Asked
    complaints: Complaints
    mishap: BaseException | None = None


_call: ContextVar[_Call | None] = ContextVar("call", default=None)
"""In this task, from its parameters on."""


@dataclass(frozen=True, slots=True)
class Clients:
    """`complaints` knows what is refused to them at the moment."""

    sqs: SQSClient
    dynamodb: DynamoDBClient
    s3: S3Client
    complaints: Complaints
    look: Callable[[], Awaitable[None]]
    """For /metrics: at the credentials."""


@contextlib.asynccontextmanager
async def open_clients(region: str | None = None) -> AsyncIterator[Clients]:
    """Open connections lazily; nothing is called yet. Raises InvalidRequest without a region, and
    for other settings of AWS that cannot be used."""
    complaints = Complaints()
    for service in ("sqs", "dynamodb", "s3"):
        metrics.CALL_SECONDS.labels(service, "refused")  # seen from the first one on
    async with contextlib.AsyncExitStack() as opened:
        try:
            session: Any = get_session()
            # Longer than the longest poll: `answer` has the sharper deadlines.
            configs = {
                "sqs": _config(read=30),
                "dynamodb": _config(read=5),
                "s3": _config(
                    read=30, signature_version="s3v4", s3={"addressing_style": "virtual"}
                ),
            }
            clients: dict[str, Any] = {}
            for service, config in configs.items():
                clients[service] = await opened.enter_async_context(
                    session.create_client(service, region_name=region, config=config)
                )
                _take_note(clients[service], service, complaints)
        except NoRegionError:
            raise InvalidRequest(
                "no AWS region is set", field="AWS_REGION", fix="Set AWS_REGION, e.g. us-east-1."
            ) from None
        except (BotoCoreError, ValueError) as error:  # botocore says ValueError of bad endpoints
            raise explain_setup(error) from None
        look = partial(look_at_credentials, session)
        yield Clients(**clients, complaints=complaints, look=look)


def _take_note(client: Any, service: str, complaints: Complaints) -> None:
    """Of what each call is about: whoever waits for its answer runs in the same context."""
    region, endpoint = client.meta.region_name, client.meta.endpoint_url

    def note(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        asked = asked_of(service, model.name, params, region=region, endpoint=endpoint)
        _call.set(_Call(asked, complaints))

    def note_mishap(
        response: tuple[Any, Any] | None, caught_exception: BaseException | None, **_: Any
    ) -> None:
        call = _call.get()
        if call is None:
            return
        call.mishap = caught_exception
        if response is not None and "Error" in response[1]:
            call.mishap = ClientError(response[1], call.asked.operation)

    client.meta.events.register_first("before-parameter-build", note)
    client.meta.events.register_first("needs-retry", note_mishap)


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
    seconds: float | None = None,
    expected: Container[str] = (),
) -> Answer:
    """What AWS answers to `call` within `seconds`, SECONDS unless they are given.

    botocore's own timeouts bound one try; a black hole would cost all of them (13 s for 3 tries
    of 2 s, measured), hence a deadline over the whole.

    Raises ClientError for the error codes in `expected`, Unavailable for everything else. A call
    that raised Unavailable may have taken effect.
    """
    seconds = SECONDS if seconds is None else seconds
    started, outcome = time.perf_counter(), "error"
    _call.set(None)
    try:
        with tracing.part(f"AWS {service}"):
            async with asyncio.timeout(seconds):
                result = await call
        outcome = "ok"
        _answered()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        outcome = "throttled" if code in THROTTLING else "refused"
        if code in expected:
            outcome = "expected"
            if code != "404":  # to a HEAD, which does not say what is missing
                _answered()
            raise
        raise _complained(service, error) from error
    except TimeoutError:
        outcome = "timeout"
        raise _complained(service, None, seconds=seconds) from None
    except (BotoCoreError, OSError) as error:
        raise _complained(service, error) from error
    finally:
        metrics.CALL_SECONDS.labels(service, outcome).observe(time.perf_counter() - started)
    return result


def _answered() -> None:
    if (call := _call.get()) is not None:
        call.complaints.answered(*call.asked.names)


def _complained(
    service: str, error: BaseException | None, *, seconds: float | None = None
) -> Unavailable:
    """Said in the log where that is due: whoever catches it need not. `seconds`: those in which no
    answer came."""
    call = _call.get()
    asked = Asked(service=service) if call is None else call.asked
    mishap = error or (None if call is None else call.mishap)
    if isinstance(mishap, ClientError):
        refusal = _refusal(asked, mishap)
    elif seconds is not None:
        refusal = explain_timeout(asked, seconds, mishap)
    else:
        refusal = explain_silence(asked, mishap)
    if call is not None:
        call.complaints.refused(refusal.error, refusal.about)
    return refusal.error


def _refusal(asked: Asked, error: ClientError) -> Refusal:
    said = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    known = asked if asked.operation else replace(asked, operation=error.operation_name)
    return explain(known, said.get("Code", ""), said.get("Message", ""), status=status)
