"""`short-drama doctor` as the installed command: how it tells, and how it ends."""

import os
from pathlib import Path

from short_drama.doctor.checks import CHECKS
from tests.integration.doctor_stage import files_in, ports_of
from tests.integration.test_cli import Shell
from tests.noop_engine import NOOP
from tests.simulators.qwen_vl import QwenVLSimulator
from tests.stack import RunningStack, running_stack


def shell(stack: RunningStack, home: Path, **settings: str) -> Shell:
    ports = {f"SHORT_DRAMA_{name.upper()}": str(port) for name, port in ports_of(stack).items()}
    own = {"PATH": os.environ["PATH"], "HOME": str(home), **ports}
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    data = {"SHORT_DRAMA_DATA_DIR": str(stack.settings.data_dir), "XDG_CACHE_HOME": cache}
    return Shell({**own, **data, **settings}, home)


async def test_all_is_well_and_nothing_is_changed(tmp_path: Path) -> None:
    async with running_stack(tmp_path / "data", NOOP) as stack:
        user = shell(stack, tmp_path)
        ended = await user.run("doctor", "--json")
    assert ended.code == 0, ended.out
    assert [line["check"] for line in ended.lines] == [check.name for check in CHECKS]
    assert {line["verdict"] for line in ended.lines} == {"ok", "not applicable"}
    before = files_in(tmp_path / "data")
    ended = await user.run("doctor", "--json")
    assert files_in(tmp_path / "data") == before
    ill = {line["check"]: line["found"] for line in ended.lines if line["verdict"] == "wrong"}
    assert (ended.code, ill) == (4, {"services": "none of our components answers"})


async def test_what_is_wrong_is_told_with_its_cure_and_without_keys(tmp_path: Path) -> None:
    async with running_stack(tmp_path / "data", NOOP) as stack, QwenVLSimulator() as qwen:
        qwen.failures.turn_on("echoed-key", switch=True)
        key = "sk-0000000000000000wrong"
        user = shell(
            stack,
            tmp_path,
            SHORT_DRAMA_DASHSCOPE_API_KEY=key,
            SHORT_DRAMA_DASHSCOPE_BASE_URL=qwen.base_url,
        )
        ended = await user.run("doctor", "--only", "qwen", "--only", "disk")
    assert ended.code == 4, ended.err
    disk, found, cure, summary = ended.out.splitlines()
    assert disk.split()[:2] == ["ok", "disk"]
    assert found.startswith("wrong")
    assert cure.strip().startswith("do: Check Qwen's API key")
    assert summary == "1 wrong, 1 ok"
    assert key not in ended.out + ended.err


async def test_the_fast_form_asks_nobody_far_away(tmp_path: Path) -> None:
    async with running_stack(tmp_path / "data", NOOP) as stack:
        user = shell(stack, tmp_path, SHORT_DRAMA_DASHSCOPE_API_KEY="sk-1")
        ended = await user.run("doctor", "--fast", "--json")
    assert ended.code == 0, ended.out
    assert [line["check"] for line in ended.lines] == [each.name for each in CHECKS if each.fast]


async def test_settings_that_none_can_read_are_a_finding(tmp_path: Path) -> None:
    async with running_stack(tmp_path / "data", NOOP) as stack:
        user = shell(stack, tmp_path, SHORT_DRAMA_COMFY_URL="http://127.0.0.1:8188")
        ended = await user.run("doctor", "--json")
    assert ended.code == 4
    [only] = ended.lines
    assert only["check"] == "settings"
    assert "SHORT_DRAMA_COMFY_URL" in only["found"]
    assert "the settings are" in only["do"]


async def test_a_check_that_there_is_not(tmp_path: Path) -> None:
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ended = await Shell(home, tmp_path).run("doctor", "--only", "weather")
    assert ended.code == 2
    assert "settings, python, disk" in ended.err
