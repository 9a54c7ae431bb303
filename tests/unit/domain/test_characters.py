"""Characters: what a consent covers, and what becomes of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.characters import (
    MOST_CONSENTS,
    Character,
    Consent,
    Part,
    Purge,
    Use,
    referred,
)
from short_drama.domain.errors import CharacterConflict, ConsentMissing, InvalidRequest
from tests.samples import NOW, a_character, a_consent

USE = Use(kind="face-swap", project="Nightfall", now=NOW, field="target_face_url")
moments = st.none() | st.integers(-3, 3).map(lambda days: NOW + days)
words = st.lists(st.sampled_from(["face-swap", "full-face-swap", "Nightfall", "Dawn"]), max_size=2)


consents = st.builds(
    a_consent,
    since=moments,
    until=moments,
    revoked_at=moments,
    kinds=words.map(tuple),
    projects=words.map(tuple),
)


@given(consents, st.sampled_from([None, "Nightfall", "Dawn"]))
def test_a_consent_covers_what_it_says_and_no_more(consent: Consent, project: str | None) -> None:
    covered = (
        consent.revoked_at is None
        and (consent.since is None or consent.since <= NOW)
        and (consent.until is None or consent.until > NOW)
        and (not consent.kinds or USE.kind in consent.kinds)
        and (not consent.projects or project in consent.projects)
    )
    missing = lacking(a_character(consents=(consent,)), replace(USE, project=project))
    assert (missing is None) == covered
    if missing is not None:
        assert missing.fix is not None
        assert missing.field in (USE.field, "labels.project")


def lacking(character: Character, use: Use) -> ConsentMissing | None:
    try:
        character.covering(use)
    except ConsentMissing as missing:
        return missing
    return None


def test_without_a_consent_nothing_is_covered() -> None:
    with pytest.raises(ConsentMissing) as caught:
        a_character(consents=()).covering(USE)
    assert "characters consent lin" in str(caught.value.fix)


changes = st.lists(st.sampled_from(["agree", "revoke"]), max_size=8)


@given(changes)
def test_what_was_revoked_stays_so_whatever_is_agreed_to_later(steps: list[str]) -> None:
    character, revoked = a_character(consents=()), set[str]()
    for number, step in enumerate(steps):
        if step == "agree":
            character = character.agreed(a_consent(consent_id=str(number)))
        else:
            character = character.revoked(now=NOW + number)
            revoked = {one.consent_id for one in character.consents}
    assert {one.consent_id for one in character.consents if one.revoked_at} == revoked
    for one in character.consents:
        assert holds(character, one) == (one.consent_id not in revoked and is_open(character))
    if any(one.revoked_at is None for one in character.consents):
        with pytest.raises(CharacterConflict):
            character.require_revoked()
    else:
        character.require_revoked()


def is_open(character: Character) -> bool:
    return character.consent is not None and character.consent.revoked_at is None


def holds(character: Character, consent: Consent) -> bool:
    """Of a task that was accepted under it."""
    try:
        character.require_still(consent.consent_id, USE)
    except ConsentMissing:
        return False
    return True


def test_a_narrower_consent_binds_what_was_accepted_before() -> None:
    character = a_character().agreed(a_consent(consent_id="2", projects=("Dawn",)))
    with pytest.raises(ConsentMissing):
        character.require_still("consent-1", USE)


def test_there_is_an_end_to_consents() -> None:
    character = a_character(consents=())
    for number in range(MOST_CONSENTS):
        character = character.agreed(a_consent(consent_id=str(number)))
    with pytest.raises(CharacterConflict):
        character.agreed(a_consent())


def test_a_character_is_read_as_it_was_written() -> None:
    purge = Purge(at=NOW, by="k1", faces=({"key": "faces/x", "sha256": "0" * 64},))
    consents = (a_consent(projects=("a", "b"), kinds=("face-swap",), until=NOW), a_consent())
    character = a_character(consents=consents, purges=(purge,), version=3)
    record = {**character.to_json(), "later": 1}
    assert "version" not in record
    assert Character.from_json(record, version=3) == character


def test_a_face_is_named_by_its_number() -> None:
    lin = a_character()
    assert lin.face(1, field="x") == lin.faces[0]
    with pytest.raises(InvalidRequest, match="1 face, and number 2"):
        lin.face(2, field="x")
    with pytest.raises(InvalidRequest) as caught:
        a_character(faces=()).face(1, field="cast.0")
    assert caught.value.field == "cast.0"


@pytest.mark.parametrize(
    ("reference", "part"),
    [
        ("character:lin", ("lin", 1)),
        ("character:lin-2/12", ("lin-2", 12)),
        ("character:lin/0", None),
        ("character:lin/", None),
        ("character:lin/2/3", None),
        ("character:-lin", None),
        ("character:Lin", None),
        ("character:lin\n", None),
        ("lin", None),
    ],
)
def test_a_reference_names_a_character_and_a_face(
    reference: str, part: tuple[str, int] | None
) -> None:
    assert Part.of(reference) == part


def test_a_name_alone_is_a_reference() -> None:
    given = ("lin", "lin/2", "character:lin", "asset:uploads/a.png", "https://x/lin")
    assert [referred(one) for one in given] == ["character:lin", "character:lin/2", *given[2:]]
