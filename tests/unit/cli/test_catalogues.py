"""The command repeats four catalogues, so that its help need not import them."""

from short_drama.cli import main
from short_drama.domain.kinds import KINDS, Lane
from short_drama.domain.task import TaskStatus
from short_drama.wiring import Component


def test_the_commands_choices_are_the_catalogues() -> None:
    assert list(main.KINDS) == list(KINDS)
    assert list(main.LANES) == [str(lane) for lane in Lane]
    assert list(main.COMPONENTS) == [str(component) for component in Component]
    assert list(main.STATUSES) == [str(status) for status in TaskStatus]


def test_the_help_texts_name_every_choice() -> None:
    for command, choices in ((main.submit, main.KINDS), (main.serve, main.COMPONENTS)):
        assert command.help is not None
        assert [choice for choice in choices if choice not in command.help] == []
