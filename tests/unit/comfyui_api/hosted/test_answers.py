"""What a job's record and a refusal mean; shapes as recorded from comfy-api-proxy 0.1.6, and those
of the contract that it has not."""

from typing import Any

import pytest

from short_drama.comfyui_api.hosted.answers import read_job, refusal, workflow_refusal
from short_drama.comfyui_api.server.endings import SavedImage
from short_drama.comfyui_api.server.refusals import PromptLost
from short_drama.domain.errors import (
    EngineFailed,
    EngineInterrupted,
    EngineNotReady,
    EngineOutOfMemory,
    ImageRejected,
    ProviderPaused,
    ShortDramaError,
    Throttled,
    Unavailable,
)

OUTPUT = {
    "node_id": "save",
    "name": "result_00001_.png",
    "type": "image",
    "content_type": "image/png",
    "size_bytes": 0,
    "id": "abc",
    "hash": None,
}


def job(status: str, **more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("started_at", "completed_at", "queue_position", "progress", "error"))
    return {"id": "7f3d", "status": status, "outputs": [], **empty, **more}


def test_a_job_that_succeeded_names_its_images_by_node() -> None:
    latent = OUTPUT | {"node_id": "keep", "type": "latent", "id": "l"}
    ending = read_job(job("succeeded", outputs=[latent, OUTPUT, OUTPUT | {"id": "d"}])).ending()
    assert ending is not None
    assert ending.images == {"save": (SavedImage("abc"), SavedImage("d"))}
    assert ending.failure is None
    assert ending.facts == {"hosted_job_id": "7f3d"}


@pytest.mark.parametrize("status", ["queued", "running", "canceling", "expired", "paused"])
def test_a_job_that_has_no_result_or_fault_has_not_ended(status: str) -> None:
    assert read_job(job(status)).ending() is None


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("Allocation on device 0 would exceed allowed memory. (out of memory)", EngineOutOfMemory),
        ("The size of tensor a must match", EngineFailed),
        (None, EngineFailed),
    ],
)
def test_a_job_that_failed_says_where(message: str | None, meant: type[ShortDramaError]) -> None:
    error = {"code": "node_execution_error", "node_id": "s", "class_type": "KSampler"}
    ending = read_job(job("failed", error=error | {"message": message})).ending()
    assert ending is not None
    assert type(ending.failure) is meant
    assert "'s' (KSampler)" in ending.failure.detail


def test_a_job_that_somebody_cancelled_may_run_again() -> None:
    ending = read_job(job("canceled")).ending()
    assert ending is not None
    assert isinstance(ending.failure, EngineInterrupted)


def test_seconds_are_what_the_server_measured() -> None:
    times = {"started_at": "2026-11-27T12:28:01+00:00", "completed_at": "2026-11-27T12:28:03.5Z"}
    assert read_job(job("succeeded", **times)).seconds == 2.5
    usage = {"queue_ms": 10, "execution_ms": 42000, "gpu": None}
    measured = read_job(job("succeeded", **times, metrics=usage))
    assert measured.seconds == 42.0
    assert measured.usage == {"queue_ms": 10, "execution_ms": 42000}
    assert read_job(job("succeeded")).seconds is None


@pytest.mark.parametrize("told", [{}, {"id": "a"}, {"id": 1, "status": "queued"}, {"jobs": []}])
def test_what_is_no_job_is_not_taken_for_one(told: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        read_job(told)


@pytest.mark.parametrize(
    ("status", "code", "meant"),
    [
        (401, "unauthorized", ProviderPaused),
        (402, "insufficient_credits", ProviderPaused),
        (403, "forbidden", ProviderPaused),
        (404, "not_found", EngineFailed),
        (413, "payload_too_large", ImageRejected),
        (422, "deployment_stopped", ProviderPaused),
        (422, "hash_mismatch", EngineFailed),
        (429, "queue_full", Throttled),
        (429, "deployment_not_ready", Throttled),
        (429, "rate_limited", Throttled),
        (500, "upstream_error", Unavailable),
        (503, "upstream_unreachable", Unavailable),
    ],
)
def test_each_refusal_has_its_family(status: int, code: str, meant: type[ShortDramaError]) -> None:
    found = refusal(status, {"code": code, "message": "m" * 999}, after=7.0)
    assert type(found) is meant
    assert code in found.detail
    assert len(found.detail) < 300
    if isinstance(found, ProviderPaused | Throttled):
        assert found.after == 7.0


def test_who_must_act_is_told_how() -> None:
    assert "SHORT_DRAMA_COMFY_V2_KEY" in (refusal(401, {}, after=None).fix or "")
    assert "Top up" in (refusal(402, {}, after=None).fix or "")


def of_node(fault: dict[str, Any], class_type: str) -> dict[str, Any]:
    node = {"errors": [fault], "dependent_outputs": ["save"], "class_type": class_type}
    return {"code": "invalid_workflow", "message": "m", "details": {"node_errors": {"n": node}}}


def test_a_model_that_is_missing_is_named() -> None:
    extra = {"input_name": "vae_name", "received_value": "nope.safetensors"}
    told = of_node({"type": "value_not_in_list", "extra_info": extra}, "VAELoader")
    meant = workflow_refusal(told)
    assert isinstance(meant, EngineNotReady)
    assert "nope.safetensors" in meant.detail


def test_a_node_that_is_missing_is_named() -> None:
    message = "Cannot execute because node Nope does not exist."
    told = {"code": "invalid_workflow", "message": message, "details": {"node_errors": {}}}
    meant = workflow_refusal(told)
    assert isinstance(meant, EngineNotReady)
    assert "node Nope does not exist" in meant.detail


def test_an_input_that_is_gone_is_sent_again() -> None:
    fault = {"type": "custom_validation_failed", "details": "image - Invalid image file: a.png"}
    assert isinstance(workflow_refusal(of_node(fault, "LoadImage")), PromptLost)
    assert isinstance(workflow_refusal({"code": "missing_asset", "details": None}), PromptLost)


def test_the_contracts_own_form_of_a_fault_is_read_too() -> None:
    faults = {"12": [{"field": "model", "reason": "missing_input"}]}
    meant = workflow_refusal({"code": "invalid_workflow", "details": {"node_errors": faults}})
    assert isinstance(meant, EngineFailed)
    assert "missing_input: model of node '12'" in meant.detail


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({"started_at": "2026-01-01T00:00:00", "completed_at": "2026-01-01T00:00:05Z"}, 5.0),
        ({"started_at": "2026-01-01T00:00:05Z", "completed_at": "2026-01-01T00:00:00Z"}, None),
        ({"metrics": {"execution_ms": -1}}, None),
        ({"metrics": {"execution_ms": 10**400}}, None),
    ],
)
def test_times_that_make_no_sense_are_not_told(told: dict[str, Any], seconds: float | None) -> None:
    assert read_job(job("succeeded", **told)).seconds == seconds


def test_a_refusal_that_makes_no_sense_is_one() -> None:
    told = {"code": "invalid_workflow", "details": {"node_errors": {"a": {"errors": 5}}}}
    assert isinstance(workflow_refusal(told), EngineNotReady)
