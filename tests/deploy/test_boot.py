"""How an instance of the stack becomes one of its lanes, and how it ends."""

import re
from pathlib import Path

import pytest

from short_drama.settings.installed import read
from tests.deploy.installed import UNITS
from tests.deploy.instance import Instance

PATH = UNITS / "comfyui-restart.path"


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


def _sets_up(note: str) -> bool:
    return bool(
        re.fullmatch(r"setup_services\.sh cpu --wheel \S+/short_drama-1\.2\.3-\S+\.whl", note)
    )


def test_an_instance_becomes_its_lane(instance: Instance) -> None:
    assert instance.boot() == 0
    assert instance.file("short-drama/short-drama.env").splitlines() == [
        "SHORT_DRAMA_BACKEND=aws",
        "SHORT_DRAMA_NAME_PREFIX=test-",
        "SHORT_DRAMA_BUCKET=assets",
        "SHORT_DRAMA_CLOUDFRONT_DOMAIN=cdn.example.com",
        "SHORT_DRAMA_BUDGET_PER_DAY_USD=20",
        "AWS_REGION=eu-west-1",
        "AWS_CONFIG_FILE=/etc/short-drama/aws",
        "SHORT_DRAMA_CPU_PARALLEL=4",
    ]
    assert any(map(_sets_up, instance.notes))
    assert "systemctl enable --now short-drama-drain" in instance.notes
    assert any(
        note.startswith("amazon-cloudwatch-agent-ctl -a fetch-config -m ec2")
        for note in instance.notes
    )
    signal = "--logical-resource-id CpuGroup --unique-id i-1 --status SUCCESS"
    assert instance.notes[-1].endswith(signal)


def test_a_comfyui_of_the_image_is_used_and_may_be_restarted(instance: Instance) -> None:
    (instance.root / "opt/comfyui").mkdir(parents=True)
    assert instance.boot() == 0
    settings = read(instance.file("short-drama/short-drama.env"))
    assert settings["SHORT_DRAMA_COMFYUI_URL"] == "http://127.0.0.1:8188"
    _, asked = settings["SHORT_DRAMA_COMFYUI_RESTART_COMMAND"].split()
    [watched] = re.findall("^PathChanged=(.*)$", PATH.read_text(), re.MULTILINE)
    assert asked == watched


def test_what_is_encrypted_is_for_root_only(instance: Instance) -> None:
    assert instance.boot() == 0
    secret = instance.root / "etc/short-drama/credentials/ark_api_key"
    assert secret.read_text() == "top-secret\n"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.parent.stat().st_mode & 0o777 == 0o700
    assert "top-secret" not in instance.file("short-drama/short-drama.env")


def test_each_unit_takes_on_its_own_role(instance: Instance) -> None:
    assert instance.boot() == 0
    assert instance.file("short-drama/aws") == (
        "[profile sqs-adapter]\nrole_arn = arn:1\ncredential_source = Ec2InstanceMetadata\n"
        "[profile paid-api]\nrole_arn = arn:2\ncredential_source = Ec2InstanceMetadata\n"
    )
    for unit in ("sqs-adapter", "paid-api"):
        drop_in = instance.file(f"systemd/system/{unit}.service.d/aws.conf")
        assert drop_in == f"[Service]\nEnvironment=AWS_PROFILE={unit}\n"


def test_booting_again_changes_nothing(instance: Instance) -> None:
    def files() -> dict[str, str]:
        etc = instance.root / "etc"
        return {str(path): path.read_text() for path in etc.rglob("*") if path.is_file()}

    assert instance.boot() == 0
    first = files()
    assert instance.boot() == 0
    assert files() == first


def test_the_stage_is_told_apart_in_cloudwatch(instance: Instance) -> None:
    assert instance.boot() == 0
    assert 'stack: "studio"' in instance.file("short-drama/cloudwatch-prometheus.yml")
    assert "/short-drama/studio/services" in instance.file("short-drama/cloudwatch-agent.json")


def test_services_run_without_their_watcher(instance: Instance) -> None:
    instance.fails("root/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl")
    assert instance.boot() == 0
    assert any(map(_sets_up, instance.notes))


def test_what_does_not_start_says_so(instance: Instance) -> None:
    instance.fails("package/deploy/setup_services.sh")
    assert instance.boot() == 7
    assert instance.notes[-1].endswith("--status FAILURE")


def test_without_its_parameters_nothing_starts(instance: Instance) -> None:
    instance.fails("bin/aws")
    assert instance.boot() != 0
    assert instance.notes == []


# --- nginx ---------------------------------------------------------------------------------


def test_clients_come_by_nginx(instance: Instance) -> None:
    assert instance.boot(GROUP="orchestrator", PUBLIC_HOST="drama.example.com") == 0
    configured = instance.file("nginx/conf.d/short-drama.conf")
    assert "server_name drama.example.com;" in configured
    assert "studio.example" not in configured
    assert "privkey.pem" in instance.file("short-drama/tls/privkey.pem")
    key = instance.root / "etc/short-drama/tls/privkey.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    settings = instance.file("short-drama/short-drama.env").splitlines()
    assert "SHORT_DRAMA_PUBLIC_HOSTS=drama.example.com" in settings
    assert "SHORT_DRAMA_REQUIRE_KEYS=true" in settings
    assert "SHORT_DRAMA_TRUSTED_PROXIES=127.0.0.1" in settings


def test_nobody_comes_where_nothing_is_public(instance: Instance) -> None:
    assert instance.boot(GROUP="orchestrator") == 0
    assert not (instance.root / "etc/nginx").exists()
    assert "REQUIRE_KEYS" not in instance.file("short-drama/short-drama.env")


# --- The end -------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [{"SPOT": "yes"}, {"TARGET": "Terminated"}], ids=["spot", "group"])
def test_what_runs_may_finish_before_the_end(instance: Instance, told: dict[str, str]) -> None:
    assert instance.boot() == 0
    before = len(instance.notes)
    assert instance.watch(**told) == 0
    stopped, also, done = instance.notes[before:]
    assert (stopped, also) == ("systemctl stop sqs-adapter", "systemctl stop paid-api")
    assert done.startswith("aws autoscaling complete-lifecycle-action")
    assert "--auto-scaling-group-name studio-cpu --lifecycle-hook-name studio-cpu-drain" in done
    assert done.endswith("--instance-id i-1")


def test_until_then_nothing_is_stopped(instance: Instance) -> None:
    assert instance.boot() == 0
    before = instance.notes
    assert instance.watch() == 0
    assert instance.notes == before


def test_a_group_that_was_not_told_is_told_again(instance: Instance) -> None:
    assert instance.boot() == 0
    instance.fails("bin/aws")
    assert instance.watch(TARGET="Terminated") != 0, "systemd starts it anew"
