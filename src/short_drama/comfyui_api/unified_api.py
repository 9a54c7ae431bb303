"""The ComfyUI API service's application."""

from fastapi import FastAPI

from short_drama.domain.kinds import Lane, kinds_of
from short_drama.jobs.job_api import create_job_api
from short_drama.jobs.runner import JobRunner
from short_drama.ports import AssetStore


def create_app(runner: JobRunner, assets: AssetStore) -> FastAPI:
    return create_job_api(
        "comfyui-api", "short-drama ComfyUI API service", kinds_of(Lane.GPU), runner, assets
    )
