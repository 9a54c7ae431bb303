"""What cannot be seen is found, all of it, and spelled out."""

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.kinds import KINDS
from short_drama.domain.letters import UNSEEN, has_unseen, visible, visible_json

EVERYTHING = [*map(chr, range(sys.maxunicode + 1))]
NOT_SEEN = [one for one in EVERYTHING if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp")]


def test_every_control_and_format_character_is_one() -> None:
    assert all(map(has_unseen, NOT_SEEN))
    others = set(filter(has_unseen, EVERYTHING)) - set(NOT_SEEN)
    assert {unicodedata.category(one) for one in others} <= {"Cn"}
    assert len(others) < 128


def test_what_people_write_is_left_as_it_is() -> None:
    words = "Épisode 3: 第三集\u3000シーン\u00a0“12” — ok 👍\nDarunter."
    assert not has_unseen(words.replace("\n", ""))
    assert visible(words) == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;pwned\x07\x1b[31m", r"\x1b]0;pwned\x07\x1b[31m"),
        ("a\r\nb\tc\x7f\x9b", "a\\r\nb\\tc\\x7f\\x9b"),
        ("\u202eevil\u2066\u200b", r"\u202eevil\u2066\u200b"),
        ("\U000e0041\ud800", r"\U000e0041\ud800"),
    ],
)
def test_the_rest_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_json_says_the_same_with_nothing_unseen_in_it(text: str) -> None:
    written = visible_json(json.dumps({text: text}, ensure_ascii=False))
    assert json.loads(written) == {text: text}
    assert not has_unseen(written)


@given(st.text())
def test_nothing_unseen_is_left(text: str) -> None:
    assert not has_unseen(visible(text).replace("\n", ""))


@pytest.mark.parametrize("unseen", ["\x1b", "\0", "\x7f", "\x85", "\u202e", "\u200d", "\n", "\t"])
def test_labels_have_none(unseen: str) -> None:
    submit = KINDS["camera-angle"].task_request
    for labels in ({f"a{unseen}b": "x"}, {"a": f"x{unseen}y"}):
        with pytest.raises(ValueError, match=r"control or format character|has a space"):
            submit.model_validate({"image_url": "asset:x", "zoom": 1, "labels": labels})


@pytest.mark.parametrize("key", ["a b", "a:b", "a=b", "\u3000", "", "x" * 65])
def test_a_labels_name_is_one_word(key: str) -> None:
    submit = KINDS["camera-angle"].task_request
    with pytest.raises(ValueError, match="labels"):
        submit.model_validate({"image_url": "asset:x", "zoom": 1, "labels": {key: "x"}})


def test_the_schema_says_what_a_label_may_be() -> None:
    labels = KINDS["camera-angle"].task_request.model_json_schema()["properties"]["labels"]
    [(pattern, value)] = labels["patternProperties"].items()
    assert UNSEEN in pattern
    assert UNSEEN in value["pattern"]
