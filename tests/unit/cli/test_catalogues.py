"""The command repeats four catalogues, so that its help need not import them."""

from short_drama.cli import catalogues, main
from short_drama.domain.kinds import KINDS, Lane
from short_drama.domain.task_state import TaskStatus
from short_drama.wiring.components import Component


def test_the_commands_choices_are_the_catalogues() -> None:
    assert list(catalogues.KINDS) == list(KINDS)
    assert list(catalogues.LANES) == [str(lane) for lane in Lane]
    assert list(catalogues.COMPONENTS) == [str(component) for component in Component]
    assert list(catalogues.STATUSES) == [str(status) for status in TaskStatus]


def test_the_help_texts_name_every_choice() -> None:
    for command, choices in ((main.submit, catalogues.KINDS), (main.serve, catalogues.COMPONENTS)):
        assert command.help is not None
        assert [choice for choice in choices if choice not in command.help] == []
