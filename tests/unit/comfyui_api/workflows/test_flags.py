"""How a server should be started depends on its version."""

import pytest

from short_drama.comfyui_api.workflows.flags import BOTH_FIT_BYTES, advice
from tests.unit.comfyui_api.workflows.samples import GIB, facts

GOOD = ["main.py", "--listen", "127.0.0.1", "--disable-metadata", "--disable-api-nodes"]
LARGE, SMALL = 80.0, 24.0
BOTH_FIT = BOTH_FIT_BYTES / GIB


@pytest.mark.parametrize("version", ["0.3.64", "0.3.75", "0.15.1", "0.16.0", "0.33.0", "0.37.4"])
@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (GOOD, []),
        ([*GOOD, "--preview-method", "none"], []),
        ([*GOOD, "--listen", "127.0.0.1,::1"], []),
        ([*GOOD, "--listen=localhost"], []),
        ([*GOOD, "--preview-method", "auto"], ["Remove --preview-method"]),
        ([*GOOD, "--preview-method=latent2rgb"], ["Remove --preview-method"]),
        ([*GOOD, "--listen"], ["Listen on 127.0.0.1"]),
        ([*GOOD, "--listen", "0.0.0.0,::"], ["Listen on 127.0.0.1"]),
        ([*GOOD, "--listen=gpu.example"], ["Listen on 127.0.0.1"]),
        (["main.py"], ["Add --disable-metadata", "Add --disable-api-nodes"]),
        ([], ["Add --disable-metadata", "Add --disable-api-nodes"]),
    ],
)
def test_what_is_said_to_all(version: str, argv: list[str], said: list[str]) -> None:
    assert_said(advice(facts(vram=SMALL, version=version, argv=argv)), said)


@pytest.mark.parametrize(
    ("vram", "flags", "said"),
    [
        (LARGE, ["--cache-lru", "64"], []),
        (LARGE, ["--cache-lru=128"], []),
        (LARGE, [], ["Add --cache-lru 64"]),
        (BOTH_FIT, [], ["Add --cache-lru 64"]),
        (BOTH_FIT - 0.1, [], []),
        (SMALL, ["--cache-lru", "64"], ["Remove --cache-lru"]),
        (SMALL, ["--lowvram"], []),
        (SMALL, ["--normalvram"], []),
    ],
)
def test_older_servers_are_told_what_to_keep(
    vram: float, flags: list[str], said: list[str]
) -> None:
    argv = [*GOOD, *flags]
    assert_said(advice(facts(vram=vram, version="0.3.75", argv=argv)), said)


@pytest.mark.parametrize(
    ("vram", "flags", "said"),
    [
        (LARGE, [], []),
        (SMALL, ["--cache-lru", "64"], []),
        (SMALL, ["--cache-ram", "8"], []),
        (SMALL, ["--lowvram"], ["Remove --lowvram"]),
        (SMALL, ["--normalvram"], ["Remove --normalvram"]),
        (SMALL, ["--lowvram", "--disable-dynamic-vram"], []),
    ],
)
def test_newer_servers_know_by_themselves(vram: float, flags: list[str], said: list[str]) -> None:
    argv = [*GOOD, *flags]
    assert_said(advice(facts(vram=vram, version="0.33.0", argv=argv)), said)


def assert_said(given: list[str], starts: list[str]) -> None:
    assert len(given) == len(starts), given
    assert all(one.startswith(start) for one, start in zip(given, starts, strict=True))
