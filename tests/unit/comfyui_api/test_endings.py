"""How prompts ended, from entries as ComfyUI's history has them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.comfyui_api.server.comfyui import result_of
from short_drama.comfyui_api.server.endings import (
    Ending,
    SavedImage,
    read_ending,
    read_job_ending,
)
from short_drama.domain.errors import (
    EngineBroken,
    EngineFailed,
    EngineInterrupted,
    EngineOutOfMemory,
    ShortDramaError,
)

ERROR = {
    "prompt_id": "p",
    "node_id": "sampler",
    "node_type": "KSampler",
    "exception_message": "cannot do it: /opt/comfyui/secret/path\n",
    "exception_type": "torch.SomeError",
    "traceback": ["..."],
    "timestamp": 1_795_388_345_733,
}


def entry(*messages: tuple[str, dict[str, Any]], status: str = "error") -> dict[str, Any]:
    started = ["execution_start", {"prompt_id": "p", "timestamp": 1_795_388_345_731}]
    return {
        "prompt": [0, "p", {}, {}, ["save"]],
        "outputs": {},
        "status": {
            "status_str": status,
            "completed": status == "success",
            "messages": [started, *(list(message) for message in messages)],
        },
    }


def success(images: list[dict[str, str]]) -> dict[str, Any]:
    ended = ("execution_success", {"prompt_id": "p", "timestamp": 1_795_388_349_271})
    return entry(ended, status="success") | {"outputs": {"save": {"images": images}}}


def test_a_success_names_its_images_and_its_seconds() -> None:
    image = {"filename": "result_00001_.png", "subfolder": "short-drama/j", "type": "output"}
    ending = read_ending(success([image]))
    assert ending.failure is None
    assert ending.seconds == 3.54
    assert ending.images == {"save": (SavedImage("result_00001_.png", "short-drama/j", "output"),)}


def test_an_interruption_is_no_failure_of_the_work() -> None:
    told = {"prompt_id": "p", "node_id": "sampler", "node_type": "KSampler", "executed": []}
    failure = read_ending(entry(("execution_interrupted", told))).failure
    assert isinstance(failure, EngineInterrupted)
    assert "'sampler' (KSampler)" in failure.detail


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('size mismatch for x.weight\n  File "/opt/x.py"', ": size mismatch for x.weight"),
        ("no file /opt/comfyui/secret.bin there", ": no file (a path) there"),
        ("no file 'C:\\\\models\\\\a.bin'", ": no file '(a path)'"),
        ("x" * 300, f": {'x' * 200}"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_failure_names_the_node_and_the_reason_and_no_path(
    message: str | None, reason: str
) -> None:
    told = ERROR | {"exception_message": message}
    failure = read_ending(entry(("execution_error", told))).failure
    assert isinstance(failure, EngineFailed)
    assert failure.detail == f"ComfyUI failed with SomeError in node 'sampler' (KSampler){reason}"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("RuntimeError", "CUDA error: an illegal memory access was encountered"),
        ("torch.AcceleratorError", "device-side assert triggered"),
    ],
)
def test_a_device_that_is_lost_is_no_failure_of_the_work(kind: str, message: str) -> None:
    told = ERROR | {"exception_type": kind, "exception_message": message}
    assert isinstance(read_ending(entry(("execution_error", told))).failure, EngineBroken)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("torch.OutOfMemoryError", "Allocation on device\nTIPS: ..."),
        ("torch.cuda.OutOfMemoryError", "CUDA out of memory. Tried to allocate"),
        ("RuntimeError", "CUDA error: out of memory"),
        ("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_running_out_of_memory_has_many_names(kind: str, message: str) -> None:
    told = ERROR | {"exception_type": kind, "exception_message": message}
    assert isinstance(read_ending(entry(("execution_error", told))).failure, EngineOutOfMemory)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["prompt", "outputs", "status", "meta"]), json_values),
    json_values,
)
def test_whatever_the_history_says_is_an_ending(entry: dict[str, Any], messages: object) -> None:
    status = {"status": {"status_str": "success", "messages": messages}}
    for read in (read_ending(entry), read_ending(entry | status)):
        assert isinstance(read, Ending)


def test_the_result_is_the_first_image_of_its_node() -> None:
    first, second = SavedImage("a.png"), SavedImage("b.png")
    ending = Ending(images={"other": (second,), "save": (first, second)})
    assert result_of(ending, node="save", otherwise=SavedImage("x")) == first


def test_a_cached_run_that_names_nothing_has_the_expected_name() -> None:
    expected = SavedImage("result_00001_.png", "short-drama/j")
    assert result_of(Ending(images={}), node="save", otherwise=expected) == expected


def test_a_failed_run_has_no_result_even_if_it_has_outputs() -> None:
    ending = Ending(images={"save": (SavedImage("a.png"),)}, failure=EngineFailed("it failed"))
    with pytest.raises(EngineFailed, match="it failed"):
        result_of(ending, node="save", otherwise=SavedImage("x"))


# --- Jobs of newer servers ----------------------------------------------------------------

SAVED = {"save": {"images": [{"filename": "a.png", "subfolder": "x", "type": "output"}]}}
TIMES = {"execution_start_time": 1795779931715, "execution_end_time": 1795779934190}


def test_a_job_is_what_its_status_says_though_no_messages_come_with_it() -> None:
    ending = read_job_ending({"status": "completed", "outputs": SAVED, **TIMES})
    assert ending is not None
    assert (ending.failure, ending.seconds) == (None, 2.475)
    assert ending.images["save"][0].filename == "a.png"


def test_a_failed_jobs_error_names_the_node() -> None:
    told = {
        "node_id": "sampler", "node_type": "KSampler",
        "exception_type": "RuntimeError", "exception_message": "CUDA error: a bad address\nat x",
    }  # fmt: skip
    ending = read_job_ending({"status": "failed", "execution_error": told})
    assert ending is not None
    assert isinstance(ending.failure, EngineBroken)
    assert "node 'sampler' (KSampler)" in ending.failure.detail


@pytest.mark.parametrize(
    ("status", "failure"),
    [("failed", EngineFailed), ("cancelled", EngineInterrupted), ("completed", None)],
)
def test_a_job_of_which_nothing_else_is_told(
    status: str, failure: type[ShortDramaError] | None
) -> None:
    ending = read_job_ending({"status": status})
    assert ending is not None
    assert type(ending.failure) is (failure or type(None))


@pytest.mark.parametrize("status", ["pending", "in_progress", None, 5])
def test_a_job_that_has_not_ended(status: object) -> None:
    assert read_job_ending({"status": status, "outputs": {}}) is None
