"""Choices for a shot: the last one holds, and a repetition is none."""

from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.picks import MOST_CHOICES, Choice, Picks, picks_of, record_of_picks
from short_drama.domain.shots import Shot

NOTHING = Picks(owner="lin", shot=Shot(shot="7"))
CHOICES = st.builds(
    Choice,
    at=st.floats(0, 1e9),
    by=st.none() | st.just("key"),
    note=st.none() | st.just("光"),
    task_id=st.none() | st.sampled_from(["t1", "t2"]),
    asset_key=st.none() | st.sampled_from(["uploads/a.png", "uploads/b.png"]),
)


@given(st.lists(CHOICES, max_size=12))
def test_the_last_choice_holds(choices: list[Choice]) -> None:
    picks = NOTHING
    for choice in choices:
        picks = picks.choose(choice)
        current = picks.current
        assert (current is not None) == choice.picks
        assert current is None or current.says_as(choice)
        assert picks.choose(choice) is picks
    assert all(
        not one.says_as(other) for one, other in zip(picks.choices, picks.choices[1:], strict=False)
    )
    record = record_of_picks(picks)
    assert picks_of(record, owner="lin", shot=NOTHING.shot, version=0) == picks


def test_to_take_nothing_back_is_no_choice() -> None:
    assert NOTHING.choose(Choice(at=1)) is NOTHING
    unpicked = NOTHING.choose(Choice(at=1, task_id="t")).choose(Choice(at=2))
    assert unpicked.choose(Choice(at=3, note="again")) is unpicked
    assert len(unpicked.choices) == 2


def test_so_many_choices_are_remembered() -> None:
    picks = NOTHING
    for number in range(MOST_CHOICES + 3):
        picks = picks.choose(Choice(at=number, task_id=f"t{number}"))
    assert len(picks.choices) == MOST_CHOICES
    assert picks.choices[0].task_id == "t3"


def test_what_a_later_release_adds_is_ignored() -> None:
    record = {"choices": [{"at": 1.0, "task_id": "t", "stars": 5}], "more": {}}
    picks = picks_of(record, owner="lin", shot=NOTHING.shot, version=4)
    assert picks.current == Choice(at=1.0, task_id="t")
