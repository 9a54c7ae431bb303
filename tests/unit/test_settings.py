"""Configuration: each setting is read, typos and impossible values are refused by name."""

import os
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from short_drama.comfyui_api.prompts.camera_words import CameraWords
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.kinds import Lane
from short_drama.settings import Settings, load
from short_drama.settings.parts import PREFIX


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)
    return monkeypatch


READ: dict[str, tuple[str, Any]] = {
    "backend": ("aws", "aws"),
    "data_dir": ("/data/x", Path("/data/x")),
    "cache_dir": ("/cache/x", Path("/cache/x")),
    "host": ("::1", "::1"),
    "public_hosts": ("a.example, B.example,", ("a.example", "B.example")),
    "trusted_proxies": (
        "10.0.0.0/8, ::1",
        (ip_network("10.0.0.0/8"), ip_network("::1")),
    ),
    "proxy_headers": ("forwarded", "forwarded"),
    "public_assets": ("true", True),
    "asset_url_hours": ("2", 2),
    "require_keys": ("true", True),
    "api_key": ("sd_k", SecretStr("sd_k")),
    "service_token": ("t" * 32, SecretStr("t" * 32)),
    "orchestrator_port": ("9080", 9080),
    "cpu_orchestrator_port": ("9081", 9081),
    "comfyui_api_port": ("0", 0),
    "paid_api_port": ("65535", 65535),
    "gpu_adapter_port": ("9002", 9002),
    "cpu_adapter_port": ("9003", 9003),
    "connections": ("100", 100),
    "connections_per_address": ("20", 20),
    "head_seconds": ("2.5", 2.5),
    "body_seconds": ("60", 60.0),
    "body_rate_kib": ("8", 8),
    "bodies_mib": ("128", 128),
    "keep_alive_seconds": ("5", 5),
    "otlp_endpoint": ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
    "owner_requests_per_second": ("20", 20),
    "owner_pending_tasks": ("1000", 1000),
    "owner_running_tasks": ("4", 4),
    "owner_uploads_mib": ("512", 512),
    "owner_budget_per_day_usd": ("2.5", Decimal("2.5")),
    "visible_mark": ("AI生成", "AI生成"),
    "visible_mark_font": ("/fonts/cjk.otf", Path("/fonts/cjk.otf")),
    "c2pa_certificate": ("/etc/c2pa.pem", Path("/etc/c2pa.pem")),
    "c2pa_key": ("/etc/c2pa.key", SecretStr("/etc/c2pa.key")),
    "comfyui_api_url": ("http://gpu:8000", "http://gpu:8000"),
    "paid_api_url": ("http://cpu:8000", "http://cpu:8000"),
    "assets_url": ("https://cdn", "https://cdn"),
    "comfyui_url": ("http://gpu:8188", "http://gpu:8188"),
    "comfyui_token": ("t0ken", SecretStr("t0ken")),
    "comfyui_credentials": ("anna:safe", SecretStr("anna:safe")),
    "comfyui_model_set": ("2511-int8", "2511-int8"),
    "comfyui_camera_words": ("poses", CameraWords.POSES),
    "comfyui_models": (
        "vae=a.safetensors, text_encoder=b=c.gguf,",
        {
            "vae": "a.safetensors",
            "text_encoder": "b=c.gguf",
        },
    ),
    "comfyui_warm_up": ("false", False),
    "comfyui_stuck_seconds": ("60", 60.0),
    "comfyui_restart_command": ("systemctl restart comfyui", "systemctl restart comfyui"),
    "comfyui_swap_wait_seconds": ("30", 30.0),
    "comfyui_previews": ("true", True),
    "comfyui_folder": ("/opt/comfyui", Path("/opt/comfyui")),
    "comfy_v2_url": ("https://cloud.comfy.org", "https://cloud.comfy.org"),
    "comfy_v2_key": ("comfyui-a", SecretStr("comfyui-a")),
    "comfy_v2_in_flight": ("3", 3),
    "workflows_dir": ("/etc/workflows", Path("/etc/workflows")),
    "kinds_off": ("face-swap, camera-angle,", frozenset({"face-swap", "camera-angle"})),
    "dashscope_api_key": ("sk-a", SecretStr("sk-a")),
    "dashscope_base_url": ("https://a.example/v1", "https://a.example/v1"),
    "qwen_model": ("qwen3-vl-flash", "qwen3-vl-flash"),
    "qwen_in_flight": ("4", 4),
    "qwen_per_minute": ("60", 60),
    "qwen_read_seconds": ("30", 30.0),
    "ark_api_key": ("ark-a", SecretStr("ark-a")),
    "ark_base_url": ("https://b.example/api/v3", "https://b.example/api/v3"),
    "seedream_model": ("seedream-4-5-251128", "seedream-4-5-251128"),
    "seedream_watermark": ("true", True),
    "seedream_result": ("frame", "frame"),
    "seedream_in_flight": ("4", 4),
    "seedream_per_minute": ("60", 60),
    "seedream_read_seconds": ("600", 600.0),
    "face_detector": ("qwen", "qwen"),
    "face_generator": ("local", "local"),
    "mask_expand": ("1.2", 1.2),
    "mask_feather": ("0.1", 0.1),
    "seedream_endpoint_model": ("seedream-5-5-261028", "seedream-5-5-261028"),
    "prices": ("/etc/prices.toml", Path("/etc/prices.toml")),
    "budget_per_day_usd": ("20", Decimal(20)),
    "budget_per_month_usd": ("0", Decimal(0)),
    "budget_per_label_usd": (
        "show=A=50, episode=*= 5.000001,",
        {"show=A": Decimal(50), "episode=*": Decimal("5.000001")},
    ),
    "budget_time_zone": ("Asia/Shanghai", ZoneInfo("Asia/Shanghai")),
    "budget_waits": ("true", True),
    "bucket": ("ours", "ours"),
    "table": ("tasks", "tasks"),
    "name_prefix": ("staging-", "staging-"),
    "cloudfront_domain": ("d1.cloudfront.net", "d1.cloudfront.net"),
    "cloudfront_key_pair_id": ("K2JCJMDEHXQW5F", "K2JCJMDEHXQW5F"),
    "cloudfront_private_key": ("/etc/cdn.pem", SecretStr("/etc/cdn.pem")),
    "aws_region": ("eu-west-1", "eu-west-1"),
    "secret": ("s" * 32, SecretStr("s" * 32)),
    "fetch_allow": (
        "127.0.0.0/8, ::1/128",
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
    ),
    "consent_required": ("true", True),
    "max_pending_tasks": ("500", 500),
    "lease_seconds": ("0.5", 0.5),
    "visibility_seconds": ("30", 30.0),
    "drain_seconds": ("5", 5.0),
    "poll_seconds": ("2", 2.0),
    "progress_seconds": ("0.1", 0.1),
    "sweep_seconds": ("3", 3.0),
    "job_memory_mib": ("100", 100),
    "dead_letter_seconds": ("10", 10.0),
    "figures_seconds": ("5", 5.0),
    "gpu_parallel": ("2", 2),
    "gpu_lookahead": ("4", 4),
    "cpu_parallel": ("8", 8),
    "gpu_instance": ("g5.xlarge", "g5.xlarge"),
    "cpu_instance": ("t3.large", "t3.large"),
    "keep_days": ("30", 30),
    "deleted_keep_days": ("7", 7),
    "keep_uploads_days": ("7", 7),
    "keep_audit_days": ("365", 365),
    "uploads_mib": ("1024", 1024),
    "log_level": ("Warning", "warning"),
    "log_format": ("json", "json"),
    "log_folder": ("/var/log/short-drama", Path("/var/log/short-drama")),
}


def test_every_setting_is_in_the_table() -> None:
    assert set(READ) == set(Settings.model_fields)


@pytest.mark.parametrize("name", READ)
def test_a_setting_is_read_from_its_variable(name: str, environment: pytest.MonkeyPatch) -> None:
    text, value = READ[name]
    environment.setenv(PREFIX + name.upper(), text)
    assert getattr(load(), name) == value
    assert getattr(Settings(), name) == value


def test_the_command_line_wins(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SHORT_DRAMA_DATA_DIR", "/from/environment")
    environment.setenv("SHORT_DRAMA_PAID_API_PORT", "1")
    settings = load({"data_dir": "/from/options", "paid_api_port": 0})
    assert (settings.data_dir, settings.paid_api_port) == (Path("/from/options"), 0)


def test_an_option_that_was_not_given_does_not_win(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SHORT_DRAMA_BUCKET", "ours")
    assert load({"bucket": None}).bucket == "ours"


@pytest.mark.parametrize("name", ["SHORT_DRAMA_BUKCET", "short_drama_leese", "SHORT_DRAMA_"])
def test_a_variable_that_no_setting_reads_is_a_typo(
    name: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv(name, "x")
    with pytest.raises(InvalidRequest, match=name) as refused:
        load()
    assert "SHORT_DRAMA_BUCKET" in (refused.value.fix or "")


def test_other_programs_variables_are_theirs(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DRAMA_BUCKET", "x")
    environment.setenv("BUCKET", "x")
    assert load().bucket == "short-drama-assets"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("host", text) for text in ("example.com", "", "1", "192.168.1.5:80")),
        *(("public_hosts", text) for text in ("https://a.example", "a.example:443", "a b", "*")),
        *(("orchestrator_port", text) for text in ("-1", "65536", "http", "")),
        *(("fetch_allow", text) for text in ("localhost", "127.0.0.1/8", "10.0.0.0/33", "a,b")),
        *(("trusted_proxies", text) for text in ("0.0.0.0/0", "::/0", "nginx", "10.0.0.1/8")),
        ("proxy_headers", "both"),
        *((name, text) for name in ("lease_seconds", "sweep_seconds") for text in ("0", "-1", "x")),
        ("gpu_parallel", "0"),
        ("consent_required", "maybe"),
        ("max_pending_tasks", "0"),
    ],
)
def test_an_impossible_value_is_refused_by_name(
    name: str, text: str, environment: pytest.MonkeyPatch
) -> None:
    variable = PREFIX + name.upper()
    environment.setenv(variable, text)
    with pytest.raises(InvalidRequest, match=variable) as refused:
        load()
    assert refused.value.field == variable


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_only_this_machine_is_served(host: str) -> None:
    assert load({"host": host}).host == host.replace("localhost", "127.0.0.1")


def test_folders_follow_the_desktop_standard(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("XDG_DATA_HOME", "/d")
    environment.setenv("XDG_CACHE_HOME", "/c")
    assert (load().data_dir, load().cache_dir) == (Path("/d/short-drama"), Path("/c/short-drama"))
    assert load().models_dir == Path("/c/short-drama/models")
    environment.delenv("XDG_DATA_HOME")
    environment.setenv("HOME", "/home/a")
    assert load().data_dir == Path("/home/a/.local/share/short-drama")


def test_each_lane_has_its_own_width() -> None:
    settings = load({"gpu_parallel": 3, "cpu_parallel": 5})
    assert (settings.parallel(Lane.GPU), settings.parallel(Lane.CPU)) == (3, 5)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().bucket = "other"  # type: ignore[misc]


def test_the_region_is_the_one_every_aws_tool_uses(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_REGION", "us-east-1")
    assert load().aws_region == "us-east-1"
    environment.setenv("SHORT_DRAMA_AWS_REGION", "eu-west-1")
    assert load().aws_region == "eu-west-1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKEND", "azure"),
        ("SECRET", "short"),
        ("NAME_PREFIX", "not a name"),
        ("CLOUDFRONT_DOMAIN", "https://d1.cloudfront.net/"),
    ],
)
def test_a_setting_of_the_aws_backend_is_checked(
    name: str, value: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv(PREFIX + name, value)
    with pytest.raises(InvalidRequest, match=PREFIX + name):
        load()


def test_the_secret_is_not_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SHORT_DRAMA_SECRET", "do-not-show-me-" * 3)
    assert "do-not-show-me" not in repr(load())


def test_on_aws_polls_are_long_and_progress_is_rare(environment: pytest.MonkeyPatch) -> None:
    assert (load().poll, load().progress) == (1.0, 1.0)
    environment.setenv("SHORT_DRAMA_BACKEND", "aws")
    assert (load().poll, load().progress) == (20.0, 20.0)
    environment.setenv("SHORT_DRAMA_POLL_SECONDS", "5")
    environment.setenv("SHORT_DRAMA_PROGRESS_SECONDS", "2")
    assert (load().poll, load().progress) == (5.0, 2.0)


def test_a_message_stays_hidden_as_its_queue_says_unless_told_otherwise(
    environment: pytest.MonkeyPatch,
) -> None:
    assert [load().visibility(lane) for lane in Lane] == [300.0, 600.0]
    environment.setenv("SHORT_DRAMA_VISIBILITY_SECONDS", "30")
    assert [load().visibility(lane) for lane in Lane] == [30.0, 30.0]


def test_comfyui_is_found_as_its_own_tools_find_it(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COMFYUI_URL", "http://127.0.0.1:8188")
    assert load().comfyui_url == "http://127.0.0.1:8188"
    environment.setenv("SHORT_DRAMA_COMFYUI_URL", "http://gpu:8188")
    assert load().comfyui_url == "http://gpu:8188"


def test_only_one_engine_may_do_the_gpu_kinds(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SHORT_DRAMA_COMFY_V2_URL", "https://cloud.comfy.org")
    environment.setenv("COMFYUI_URL", "http://gpu:8188")
    with pytest.raises(
        InvalidRequest, match=r"SHORT_DRAMA_COMFY_V2_URL: .*SHORT_DRAMA_COMFYUI_URL"
    ):
        load()
    environment.delenv("COMFYUI_URL")
    assert load().comfy_v2_url == "https://cloud.comfy.org"


def test_hosted_gpus_do_as_many_jobs_as_they_are_given(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("COMFYUI_URL", raising=False)
    hosted = load({"comfy_v2_url": "https://cloud.comfy.org", "comfy_v2_in_flight": 3})
    assert (hosted.parallel(Lane.GPU), hosted.deliveries(Lane.GPU)) == (3, 4)


def test_with_comfyui_there_is_an_order_to_choose(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("COMFYUI_URL", raising=False)
    assert [load().deliveries(lane) for lane in (Lane.GPU, Lane.CPU)] == [2, 3]
    with_comfyui = load({"comfyui_url": "http://gpu:8188"})
    assert [with_comfyui.deliveries(lane) for lane in (Lane.GPU, Lane.CPU)] == [8, 3]
    assert load({"gpu_lookahead": 3}).deliveries(Lane.GPU) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMFYUI_URL", "gpu:8188"),
        ("COMFYUI_MODELS", "vae"),
        ("COMFYUI_RESTART_COMMAND", "restart 'it"),
        ("COMFYUI_RESTART_COMMAND", " "),
    ],
)
def test_a_setting_of_comfyui_is_checked(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(PREFIX + name, value)
    with pytest.raises(InvalidRequest) as refused:
        load()
    assert refused.value.field == PREFIX + name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FACE_DETECTOR", "seedream"),
        ("ARK_API_KEY", ""),
        ("DASHSCOPE_BASE_URL", "dashscope"),
        ("MASK_EXPAND", "0.9"),
        ("BUDGET_PER_LABEL_USD", "show=50"),
        ("BUDGET_PER_LABEL_USD", "show=A=much"),
        ("BUDGET_PER_DAY_USD", "-0.01"),
        ("BUDGET_PER_DAY_USD", "0.0000001"),
        ("BUDGET_PER_MONTH_USD", "nan"),
        ("BUDGET_PER_MONTH_USD", "inf"),
        ("BUDGET_PER_LABEL_USD", "show=A=-1"),
        ("BUDGET_TIME_ZONE", "America"),
        ("BUDGET_TIME_ZONE", "../UTC"),
        ("BUDGET_TIME_ZONE", ""),
    ],
)
def test_a_setting_of_providers_is_checked(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(PREFIX + name, value)
    with pytest.raises(InvalidRequest) as refused:
        load()
    assert refused.value.field == PREFIX + name


def test_keys_are_found_as_the_providers_tools_find_them(
    environment: pytest.MonkeyPatch,
) -> None:
    for name in ("DASHSCOPE_API_KEY", "ARK_API_KEY"):
        environment.delenv(name, raising=False)
    assert (load().detector, load().generator, load().parallel(Lane.CPU)) == ("local", "local", 2)
    environment.setenv("DASHSCOPE_API_KEY", "sk-a")
    assert (load().detector, load().generator) == ("qwen", "local")
    environment.setenv("ARK_API_KEY", "ark-a")
    assert (load().detector, load().generator) == ("qwen", "seedream")
    assert load().parallel(Lane.CPU) == 16
    assert load({"face_detector": "local"}).detector == "local"
    assert "sk-a" not in repr(load())


@pytest.mark.parametrize("name", ["COMFYUI_TOKEN", "COMFY_V2_KEY"])
@pytest.mark.parametrize("token", ["t0ken\n", "two words", "schlüssel"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(
    environment: pytest.MonkeyPatch, name: str, token: str
) -> None:
    environment.setenv(PREFIX + name, token)
    with pytest.raises(InvalidRequest, match="blanks, line ends") as refused:
        load()
    assert refused.value.field == PREFIX + name
    assert token.strip() not in refused.value.detail


@pytest.mark.parametrize(
    ("url", "shown", "sent"),
    [
        ("http://gpu:8188/", "http://gpu:8188/", None),
        ("https://studio.example/comfy/a", "https://studio.example/comfy/a", None),
        ("https://anna:s%40fe@gpu/comfy", "https://gpu/comfy", "Basic YW5uYTpzQGZl"),
        ("http://anna@[::1]:8188", "http://[::1]:8188", "Basic YW5uYTo="),
        ("http://a@gpu", "http://gpu", "Basic YTo="),
    ],
)
def test_comfyui_may_stand_behind_a_proxy(
    environment: pytest.MonkeyPatch, url: str, shown: str, sent: str | None
) -> None:
    for variable in ("COMFYUI_URL", "SHORT_DRAMA_COMFYUI_URL"):
        environment.setenv(variable, url)
        settings = load()
        assert (settings.comfyui_url, settings.comfyui_authorization) == (shown, sent)
        assert "s@fe" not in repr(settings)
        environment.delenv(variable)


def test_comfyuis_proxy_is_told_a_token_or_credentials() -> None:
    with_token = load({"comfyui_url": "http://gpu", "comfyui_token": "t0ken"})
    assert with_token.comfyui_authorization == "Bearer t0ken"
    assert "t0ken" not in repr(with_token)
    given = load({"comfyui_url": "http://bo:b@gpu", "comfyui_credentials": "anna:s:fe"})
    assert given.comfyui_authorization == "Basic YW5uYTpzOmZl", "the setting counts, not the URL"
    for wrong in (
        {"comfyui_credentials": "no-colon"},
        {"comfyui_credentials": ":no-user"},
        {"comfyui_url": "http://@gpu"},
        {"comfyui_credentials": "a:b", "comfyui_token": "t"},
        {"comfyui_url": "http://a:b@gpu", "comfyui_token": "t"},
    ):
        with pytest.raises(InvalidRequest) as refused:
            load(wrong)
        assert refused.value.field == "SHORT_DRAMA_COMFYUI_CREDENTIALS"
    for url in (
        "http://gpu/?a=1",
        "http://gpu/#x",
        "ftp://gpu",
        "http:///comfy",
        "http://:8188",
        "http://gpu:0",
        "http://[",
        "http://a:b",
    ):
        with pytest.raises(InvalidRequest) as refused:
            load({"comfyui_url": url})
        assert refused.value.field == "SHORT_DRAMA_COMFYUI_URL"


def test_what_is_secret_is_known_by_its_value(environment: pytest.MonkeyPatch) -> None:
    secrets = {name for name, (_, value) in READ.items() if isinstance(value, SecretStr)}
    texts = {name: READ[name][0] for name in secrets - {"comfyui_token"}}  # of two, one is given
    for name, text in texts.items():
        environment.setenv(PREFIX + name.upper(), text)
    environment.setenv("AWS_SECRET_ACCESS_KEY", "key of aws")
    environment.setenv("AWS_SESSION_TOKEN", "token of aws")
    hidden = load().hidden_values
    assert {*texts.values(), "key of aws", "token of aws"} < set(hidden)
    assert "safe" in hidden  # the password of user:password


def test_files_of_lines_are_where_no_journal_is() -> None:
    assert load({"data_dir": "/data/x"}).logs_dir == Path("/data/x/logs")
    assert load({"backend": "aws"}).logs_dir is None
    assert load({"backend": "aws", "log_folder": "/logs"}).logs_dir == Path("/logs")
    assert load({"log_folder": "none"}).logs_dir is None


@pytest.mark.parametrize(
    ("host", "required", "demands", "reached"),
    [
        ("127.0.0.1", False, False, "127.0.0.1"),
        ("::1", True, True, "[::1]"),
        ("0.0.0.0", False, True, "127.0.0.1"),
        ("::", False, True, "[::1]"),
        ("192.168.1.5", False, True, "192.168.1.5"),
    ],
)
def test_beyond_loopback_nobody_comes_in_without_a_key(
    host: str, required: bool, demands: bool, reached: str
) -> None:
    settings = Settings(host=host, require_keys=required)
    assert (settings.demands_keys, settings.reached_at) == (demands, reached)
