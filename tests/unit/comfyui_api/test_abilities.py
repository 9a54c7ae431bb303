"""Which kinds can run, and why others cannot."""

import pytest

from short_drama.comfyui_api.abilities import Abilities
from short_drama.domain.errors import EngineNotReady, KindNotAvailable

A, B = "camera-angle", "qwen-image-edit"
LACKS = EngineNotReady("no model", fix="Put it there.")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def abilities(clock: Clock) -> Abilities:
    return Abilities([A, B], clock=clock)


def test_a_kind_that_lacks_something_says_what_and_the_other_can_run(abilities: Abilities) -> None:
    abilities.missing({A: LACKS})
    assert (abilities.able, abilities.all_able, abilities.may_try(A)) == ([B], False, False)
    with pytest.raises(EngineNotReady, match="no model"):
        abilities.check(A)
    with pytest.raises(KindNotAvailable) as refused:
        abilities.require(A)
    assert refused.value.fix == "Put it there."
    abilities.require(B)
    abilities.missing({})
    abilities.check(A)
    assert abilities.all_able


def test_what_fails_is_tried_again_ever_more_rarely(abilities: Abilities, clock: Clock) -> None:
    pauses = []
    for _ in range(7):
        abilities.fails(A, LACKS)
        assert not abilities.is_due(A)
        began = clock.now
        while not abilities.is_due(A):
            clock.now += 30.0
        assert abilities.reason(A) is not None
        pauses.append(clock.now - began)
    assert pauses == [30, 60, 120, 240, 480, 600, 600]
    abilities.works(A)
    assert abilities.all_able


def test_a_refused_prompt_keeps_others_back_for_a_while(abilities: Abilities, clock: Clock) -> None:
    abilities.refused(A, LACKS)
    assert abilities.able == [B]
    clock.now += 30.0
    assert abilities.able == [A, B]


def test_asking_the_server_anew_settles_what_it_refused(abilities: Abilities) -> None:
    abilities.refused(A, LACKS)
    abilities.missing({})
    assert abilities.all_able
