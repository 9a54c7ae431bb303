"""The Paid API service's application."""

from collections.abc import Iterable

from fastapi import FastAPI

from short_drama.domain.kinds import Catalogue, Lane
from short_drama.jobs.job_api import create_job_api
from short_drama.jobs.runner import JobRunner
from short_drama.ports import AssetStore
from short_drama.web.door import Lock


def create_app(
    runner: JobRunner,
    assets: AssetStore,
    catalogue: Catalogue,
    *,
    hosts: Iterable[str] = (),
    lock: Lock | None = None,
) -> FastAPI:
    """`hosts`: names it answers to beside the loopback ones; `lock`: of its door."""
    title = "short-drama Paid API service"
    return create_job_api(
        "paid-api",
        title,
        runner,
        assets,
        lane=Lane.CPU,
        catalogue=catalogue,
        hosts=hosts,
        lock=lock,
    )
