"""An adapter's application: nobody's orders, only how it is."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from short_drama.domain.kinds import Lane
from short_drama.sdk.models import Problem
from short_drama.sqs_adapter.consumer import Consumer
from short_drama.sqs_adapter.job_client import JobClient
from short_drama.web import app as web_app
from short_drama.web import openapi
from short_drama.web.door import Lock


def create_app(
    lane: Lane,
    consumer: Consumer,
    jobs: JobClient,
    *,
    hosts: Iterable[str] = (),
    lock: Lock | None = None,
) -> FastAPI:
    """`hosts`: names it answers to beside the loopback ones; `lock`: of its door."""

    async def report() -> dict[str, Any]:
        return {
            "queue": {"name": lane.queue, "readable": consumer.trouble is None},
            "api_service": {"url": jobs.base_url, "ready": await jobs.ready()},
            "deliveries_held": consumer.held,
            "lease_losses": consumer.lease_losses,
        }

    async def check() -> None:
        """By what the queue said when it was last read: an idle adapter always waits for its
        answer, and asking once more would cost a request and a right of its own."""
        if consumer.trouble is not None:
            raise consumer.trouble
        await jobs.check()

    app = web_app.create_app(
        service=f"{lane}-adapter",
        title=f"short-drama SQS adapter ({lane.upper()} tasks)",
        description="How the adapter is. Tasks reach it through the queue.",
        report=report,
        check=check,
        hosts=hosts,
        lock=lock,
    )
    openapi.document(app, [Problem])
    return app
