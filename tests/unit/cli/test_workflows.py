"""`short-drama workflows` without a server to ask."""

import pytest
from click.testing import CliRunner

from short_drama.cli.exits import EXIT_USAGE
from short_drama.cli.main import cli


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"COMFYUI_URL": None}, "Give --comfyui-url"),
        (
            {"COMFYUI_URL": None, "SHORT_DRAMA_COMFY_V2_URL": "https://cloud.comfy.org"},
            "Unset SHORT_DRAMA_COMFY_V2_URL",
        ),
    ],
)
def test_who_cannot_be_asked_is_not_checked(environment: dict[str, str | None], said: str) -> None:
    told = CliRunner(env=environment).invoke(cli, ["workflows", "check"])
    assert told.exit_code == EXIT_USAGE
    assert said in " ".join(told.output.split())
