"""doctor finds each planted fault, blames nothing else, and names the cure."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from short_drama.backends.aws.clients import open_clients
from short_drama.doctor import machine
from short_drama.doctor.finding import Finding, Verdict
from short_drama.domain.kinds import Lane
from short_drama.domain.spending import TaskSpend, micros_of
from short_drama.settings import Settings
from short_drama.web.version import VERSION
from short_drama.wiring.backend import open_backend
from short_drama.wiring.components import Component
from tests.emulators import Emulators
from tests.emulators.server import free_ports
from tests.integration.doctor_stage import (
    Patient,
    account,
    acting_as,
    distribution,
    engines,
    ill,
    policy_of,
    ports_of,
    served,
)
from tests.noop_engine import NOOP
from tests.samples import a_task
from tests.simulators.comfy_api import ComfyAPISimulator
from tests.simulators.comfyui import MODELS
from tests.stack import running_stack
from tests.unit.images.certificates import p256, pem, self_signed

pytestmark = [pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ports(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Any]]:
    """Where all components run, and are well whatever is spoilt for doctor."""
    folder = tmp_path_factory.mktemp("neighbours") / "data"
    async with running_stack(folder, NOOP) as stack:
        yield ports_of(stack)


@pytest.fixture
def patient(ports: dict[str, Any], tmp_path: Path) -> Patient:
    """The embedded backend of somebody whose all is well."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return Patient({**ports, "data_dir": folder})


@pytest.fixture(scope="module")
def provisioned(emulators: Emulators) -> Mapping[str, str]:
    """An account that nobody spoils, as environment variables."""
    with account(emulators):
        return {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("AWS_", "SHORT_DRAMA_"))
        }


@pytest.fixture
def stage(provisioned: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Its name."""
    for name, value in provisioned.items():
        monkeypatch.setenv(name, value)
    return provisioned["SHORT_DRAMA_NAME_PREFIX"].removesuffix("-")


@pytest.fixture
def own_stage(emulators: Emulators) -> Iterator[str]:
    """An account that the test spoils."""
    with account(emulators) as name:
        yield name


@pytest.fixture
def on_aws(patient: Patient, tmp_path: Path) -> Patient:
    """Of somebody with an account: ask for `stage` or `own_stage` as well."""
    patient.components = list(Component)
    key, chain = p256(), tmp_path / "chain.pem"
    chain.write_text(self_signed(key))
    patient.given |= {"c2pa_certificate": chain, "c2pa_key": pem(key)}
    return patient


async def the_fault(patient: Patient, check: str) -> Finding:
    """What this check finds, which has to be the only one that finds anything."""
    found = ill(await patient.examined())
    assert set(found) == {check}, found
    assert found[check].verdict is Verdict.WRONG
    return found[check]


def says(finding: Finding, *words: str) -> bool:
    """Whether the fault, and after `do` its cure, are told in these words."""
    told = f"{finding.found} do: {finding.do}"
    assert all(word in told for word in words), told
    return True


# --- AWS ----------------------------------------------------------------------------------


async def test_wrong_region(on_aws: Patient, stage: str) -> None:
    on_aws.given |= {"aws_region": "eu-west-1"}
    fault = await the_fault(on_aws, "region")
    assert says(fault, f"bucket-{stage} is in us-east-1", "do: Set AWS_REGION=us-east-1")


async def test_missing_index(on_aws: Patient, own_stage: str) -> None:
    name = "status-created_at-index"
    async with open_clients() as clients:
        await clients.dynamodb.update_table(
            TableName=f"{own_stage}-task_store",
            GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}],
        )
    fault = await the_fault(on_aws, "table")
    assert says(
        fault, f"{name} of {own_stage}-task_store is missing", "Add it, on status (HASH) and"
    )


async def test_queue_without_dead_letter_queue(on_aws: Patient, own_stage: str) -> None:
    async with open_clients() as clients:
        sqs, name = clients.sqs, f"{own_stage}-{Lane.CPU.queue}"
        url = (await sqs.get_queue_url(QueueName=name))["QueueUrl"]
        await sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    fault = await the_fault(on_aws, "queues")
    assert says(fault, f"{name} has no dead-letter queue", "set-queue-attributes", "RedrivePolicy")


async def test_deleted_dead_letter_queue(on_aws: Patient, own_stage: str) -> None:
    async with open_clients() as clients:
        sqs, name = clients.sqs, f"{own_stage}-{Lane.GPU.dead_letter_queue}"
        await sqs.delete_queue(QueueUrl=(await sqs.get_queue_url(QueueName=name))["QueueUrl"])
    fault = await the_fault(on_aws, "queues")
    assert says(fault, f"there is no {name}", "do: Run `short-drama provision`")


@pytest.mark.parametrize(
    ("component", "key"),
    [
        (Component.COMFYUI_API, "images/comfyui-results/doctor"),
        (Component.ORCHESTRATOR, "incoming/doctor"),
    ],
)
async def test_no_right_to_put(
    on_aws: Patient, stage: str, emulators: Emulators, component: Component, key: str
) -> None:
    on_aws.components = [component]
    lacking = policy_of(component.process.role, stage, without="s3:PutObject")
    async with acting_as(lacking, emulators.ministack) as user:
        fault = await the_fault(on_aws, "bucket")
    assert says(fault, "AWS s3 refuses PutObject", "do: Give arn:aws:iam:", "deploy/iam")
    assert says(fault, f"user/{user} the right s3:PutObject on arn:aws:s3:::bucket-{stage}/{key}")


@pytest.mark.parametrize("role", ["orchestrator", "gpu-adapter", "paid-api", "operator"])
async def test_what_a_role_may_not_look_at_is_no_fault(
    on_aws: Patient, stage: str, emulators: Emulators, role: str
) -> None:
    on_aws.components = [each for each in Component if each.process.role == role]
    async with acting_as(policy_of(role, stage), emulators.ministack):
        found = await on_aws.examined()
    assert not ill(found), ill(found)
    assert found["credentials"].verdict is Verdict.OK


@pytest.mark.usefixtures("stage")
async def test_wrong_cdn(on_aws: Patient) -> None:
    async def unknown(_: web.Request) -> web.Response:
        return web.Response(status=404)

    another = web.Application()
    another.router.add_get("/{path:.*}", unknown)
    async with served(another) as url:
        on_aws.given |= {"assets_url": url}
        fault = await the_fault(on_aws, "cdn")
    assert says(fault, f"{url} answers 404 for images/", "do: Set SHORT_DRAMA_CLOUDFRONT_DOMAIN")


@pytest.mark.usefixtures("stage")
async def test_cdn_that_there_is_not(on_aws: Patient) -> None:
    on_aws.given |= {"cloudfront_domain": "d111111abcdef8.cloudfront.invalid"}
    fault = await the_fault(on_aws, "cdn")
    assert says(fault, "d111111abcdef8.cloudfront.invalid cannot be reached", "CLOUDFRONT_DOMAIN")


# --- Engines ------------------------------------------------------------------------------


async def test_comfyui_down(patient: Patient) -> None:
    async with engines(patient) as comfyui:
        await comfyui.stop()
        fault = await the_fault(patient, "comfyui")
    assert says(fault, f"{comfyui.url}: ComfyUI does not answer", "do: Start it: systemctl start")


async def test_model_file_missing(patient: Patient) -> None:
    [gone] = MODELS["vae"]
    async with engines(patient, models={**MODELS, "vae": []}):
        fault = await the_fault(patient, "comfyui-models")
    assert says(fault, f"no {gone}", "do: Put the file into ComfyUI's models/vae")


async def test_card_too_small(patient: Patient) -> None:
    patient.given |= {"comfyui_model_set": "2509-fp8"}
    async with engines(patient, card="t4"):
        fault = await the_fault(patient, "card")
    assert says(fault, "does not fit", "16.0 GiB of RAM", "do: Use a larger card or machine")


@pytest.mark.parametrize(
    ("provider", "setting"),
    [("qwen", "dashscope_api_key"), ("seedream", "ark_api_key")],
)
async def test_bad_key(patient: Patient, provider: str, setting: str) -> None:
    async with engines(patient):
        patient.given |= {setting: "sk-of-somebody-else-0000"}
        fault = await the_fault(patient, provider)
        assert not any(patient.notes[each].charged for each in ("qwen", "seedream"))
    assert says(fault, "the API key is refused", "do: Check", f"SHORT_DRAMA_{setting.upper()}")
    assert "sk-of-somebody-else" not in str(fault)


@pytest.mark.parametrize(
    ("provider", "code"), [("qwen", "Arrearage"), ("seedream", "AccountOverdueError")]
)
async def test_bill_overdue(patient: Patient, provider: str, code: str) -> None:
    async with engines(patient):
        patient.notes[provider].failures.turn_on(code, switch=True)
        fault = await the_fault(patient, provider)
    assert says(fault, "a bill is overdue", "do: Pay it in the provider's console.")


@pytest.mark.parametrize("key", [None, "another"])
async def test_a_hosted_comfyui(patient: Patient, key: str | None) -> None:
    async with ComfyAPISimulator() as cloud:
        patient.given |= {"comfy_v2_url": cloud.url, "comfy_v2_key": key or cloud.key}
        if key is None:
            assert (await patient.examined())["hosted-gpu"].verdict is Verdict.OK
        else:
            fault = await the_fault(patient, "hosted-gpu")
            assert says(fault, "key", "do:", "SHORT_DRAMA_COMFY_V2_KEY")
        assert not cloud.jobs


# --- This machine -------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [10, -10])
async def test_clock_off_by_ten_minutes(patient: Patient, minutes: int) -> None:
    patient.clock = lambda: time.time() + minutes * 60
    async with engines(patient):
        fault = await the_fault(patient, "clock")
    side = "ahead of" if minutes > 0 else "behind"
    assert says(fault, f" s {side} ", "do: Set it by the network")


@contextlib.contextmanager
def small_disk(folder: Path, *options: str) -> Iterator[Path]:
    """A file system of its own of 1 MiB, mounted there: for root alone."""
    folder.mkdir()
    given = ",".join(("size=1m", *options))
    command = ["mount", "-t", "tmpfs", "-o", given, "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root may mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
async def test_disk_full(patient: Patient, tmp_path: Path) -> None:
    with small_disk(tmp_path / "full", "mode=0700") as folder:
        with contextlib.suppress(OSError):
            (folder / "large").write_bytes(bytes(2 * 2**20))
        patient.given |= {"data_dir": folder}
        fault = await the_fault(patient, "disk")
    assert says(fault, f"only 0 MiB are free at {folder}", "do: Make room", "SHORT_DRAMA_DATA_DIR")


async def test_disk_almost_full(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, for whoever is not root."""
    monkeypatch.setattr(machine, "FULL_BYTES", 2**60)
    assert says(await the_fault(patient, "disk"), "free at", "do: Make room")


async def test_read_only_data_directory(patient: Patient, tmp_path: Path) -> None:
    with _read_only(tmp_path / "locked") as folder:
        patient.given |= {"data_dir": folder}
        found = await patient.examined()
    fault = found["data-directory"]
    assert set(ill(found)) <= {"data-directory", "disk"}  # the test's own disk is small
    assert fault.verdict is Verdict.WRONG
    assert says(fault, f"{folder} cannot be written", "SHORT_DRAMA_DATA_DIR")


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[Path]:
    if os.geteuid() == 0:  # for whom modes count for nothing
        with small_disk(folder, "ro", "mode=0700"):
            yield folder
    else:
        folder.mkdir(mode=0o500)
        yield folder


async def test_port_taken(patient: Patient) -> None:
    [port] = free_ports(1)
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _listens(port)
        patient.given |= {"paid_api_port": port}
        fault = await the_fault(patient, "ports")
    finally:
        process.kill()
        await process.wait()
    assert says(fault, f"port {port} of the paid-api is taken by python", f"(pid {process.pid})")
    assert says(fault, "do: Stop that program, or set SHORT_DRAMA_PAID_API_PORT")


async def test_ports_that_are_swapped(patient: Patient) -> None:
    swapped = {"comfyui_api_port": "paid_api_port", "paid_api_port": "comfyui_api_port"}
    patient.given |= {name: patient.given[other] for name, other in swapped.items()}
    fault = await the_fault(patient, "ports")
    assert says(fault, "of the comfyui-api is that of paid-api", "do: Correct SHORT_DRAMA_COMFYUI")


async def _listens(port: int) -> None:
    for _ in range(2000):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it does not listen")


@pytest.mark.parametrize("told", [{"version": "0.0.9"}, {}], ids=["older", "before versions"])
async def test_old_neighbour(patient: Patient, told: dict[str, str]) -> None:
    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ready", "service": "paid-api", **told})

    old = web.Application()
    old.router.add_get("/health", health)
    async with served(old) as url:
        patient.given |= {"paid_api_port": int(url.rpartition(":")[2])}
        fault = await the_fault(patient, "versions")
    assert says(fault, f"paid-api at {url} is", f"and this is {VERSION}", "do: Upgrade the older")


# --- Health -------------------------------------------------------------------------------


async def test_all_is_well_on_one_machine(patient: Patient) -> None:
    async with engines(patient):
        found = await patient.examined()
        charged = [patient.notes[each].charged for each in ("qwen", "seedream")]
    assert not ill(found), ill(found)
    assert charged == [0, 0]
    well = {name for name, each in found.items() if each.verdict is Verdict.OK}
    assert well > {"services", "versions", "comfyui-models", "card", "qwen", "seedream", "clock"}


async def test_all_is_well_on_aws(on_aws: Patient, stage: str, tmp_path: Path) -> None:
    async with running_stack(tmp_path, NOOP) as stack, distribution(f"bucket-{stage}") as url:
        on_aws.given |= {**ports_of(stack), "assets_url": url}
        found = await on_aws.examined()
    assert not ill(found), ill(found)
    well = {name for name, each in found.items() if each.verdict is Verdict.OK}
    assert well > {"credentials", "region", "queues", "table", "bucket", "cdn", "stuck", "backlog"}


@pytest.mark.usefixtures("stage")
async def test_an_operators_machine_needs_none_of_our_components(
    on_aws: Patient, ports: dict[str, Any]
) -> None:
    on_aws.components = None
    on_aws.given |= dict.fromkeys(ports, 1)  # nobody is there
    found = await on_aws.examined()
    assert not ill(found), ill(found)
    assert found["services"].verdict is Verdict.NOT_APPLICABLE


# --- The three classic troubles -----------------------------------------------------------


async def test_messages_that_nobody_takes(patient: Patient) -> None:
    long_ago = time.time() - 1800
    async with open_backend(Settings(**patient.given), assets_url="") as backend:
        await backend.store.create(a_task(created_at=long_ago, updated_at=long_ago))
    found = ill(await patient.examined())
    assert set(found) == {"backlog"}
    assert says(found["backlog"], "oldest gpu task waits for 30 min", "Is its gpu adapter running")


async def test_tasks_that_nobody_works_on(patient: Patient) -> None:
    long_ago = time.time() - 1800
    async with open_backend(Settings(**patient.given), assets_url="") as backend:
        task = await backend.store.create(a_task(created_at=long_ago, updated_at=long_ago))
        await backend.store.replace(task.claim("gone", now=long_ago, lease=60))
    fault = await the_fault(patient, "stuck")
    assert says(fault, "1 in processing, 0 pending (t1)", "do:", "start an orchestrator")


async def test_results_that_cannot_be_stored(patient: Patient, tmp_path: Path) -> None:
    """As `test_no_right_to_put`, on the disk: somebody else's files."""
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    folder = tmp_path / "data" / "assets"
    folder.mkdir()
    os.chown(folder, 65_534, 65_534)
    fault = await the_fault(patient, "data-directory")
    assert says(
        fault, "assets in", "belong to another user", f"do: Run: chown -R 0 {folder.parent}"
    )


async def test_assets_that_another_server_shows(patient: Patient) -> None:
    async with open_backend(Settings(**patient.given), assets_url="") as backend:
        await backend.assets.put("images/a.png", b"whole", content_type="image/png")

        async def show(request: web.Request) -> web.Response:
            return web.Response(body=await backend.assets.get(request.path[1:]))

        another = web.Application()
        another.router.add_get("/{path:.*}", show)
        async with served(another) as url:
            patient.given |= {"assets_url": url}
            finding = (await patient.examined(only=["cdn"]))["cdn"]
    assert (finding.verdict, finding.found) == (
        Verdict.OK,
        f"{url} shows what is in the store",
    )


async def test_dead_letters_wait(patient: Patient) -> None:
    async with open_backend(Settings(**patient.given), assets_url="") as backend:
        await backend.dead_letters[Lane.CPU].send("{}")
    found = ill(await patient.examined())
    assert set(found) == {"dead-letters"}
    assert says(
        found["dead-letters"], "1 dead letters of the cpu lane", "do: Look: short-drama dlq"
    )


async def test_a_damaged_database(patient: Patient, tmp_path: Path) -> None:
    async with open_backend(Settings(**patient.given), assets_url=""):
        pass
    path = tmp_path / "data" / "tasks.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + bytes(4096) + whole[12288:])
    fault = await the_fault(patient, "database")
    assert says(fault, f"{path} is damaged", "go back to a backup")


@pytest.mark.parametrize("spent", ["0.95", "1.00"])
async def test_budgets_that_run_out(patient: Patient, spent: str) -> None:
    patient.given |= {"budget_per_day_usd": 1}
    async with open_backend(Settings(**patient.given), assets_url="") as backend:
        today = time.strftime("%Y-%m-%d", time.gmtime())
        page = TaskSpend(task_id="t1", kind="face-swap", owner="local", day=today)
        await backend.ledger.write(page.opened(day=today, held=micros_of(Decimal(spent))))
    found = ill(await patient.examined())
    assert set(found) == {"budgets"}
    assert says(found["budgets"], "left of the 1.00 USD", "SHORT_DRAMA_BUDGET_PER_DAY_USD")


# --- What is wrong has consequences -------------------------------------------------------


@pytest.mark.usefixtures("stage")
async def test_what_cannot_be_known_is_not_said_twice(
    on_aws: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREVOKED")
    fault = await the_fault(on_aws, "credentials")
    assert says(fault, "InvalidClientTokenId", "do:")
    assert (await on_aws.examined(only=["stuck"]))["stuck"].found == "first mend credentials"


async def test_a_service_tells_of_its_comfyui(patient: Patient, tmp_path: Path) -> None:
    async with engines(patient) as comfyui:
        url = comfyui.url
        await comfyui.stop()
        async with running_stack(tmp_path / "more", comfyui_url=url) as stack:
            patient.given |= ports_of(stack)
            found = ill(await patient.examined())
    assert set(found) == {"comfyui", "services"}
    assert says(found["services"], "comfyui-api at", "ComfyUI does not answer")
