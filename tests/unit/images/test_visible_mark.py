"""The mark that is drawn on results: where it is, and how large."""

from pathlib import Path

import numpy as np
import pytest

from short_drama.domain.errors import InvalidRequest
from short_drama.images.visible_mark import VisibleMark
from short_drama.settings import load
from short_drama.wiring.manifests import open_mark

BLUE = np.array([0, 0, 255], np.uint8)


@pytest.mark.parametrize("text", ["AI", "AI generated"])
@pytest.mark.parametrize("size", [(512, 512), (360, 640), (1080, 1920), (1920, 1080), (64, 96)])
def test_its_letters_are_high_enough_and_in_the_corner(text: str, size: tuple[int, int]) -> None:
    before = np.full((*size, 3), BLUE)
    marked = VisibleMark(text).drawn_on(before)
    assert (before == BLUE).all()
    changed_rows, changed_columns = np.nonzero((marked != BLUE).any(axis=2))
    assert changed_rows.max() == size[0] - 1
    assert changed_columns.max() == size[1] - 1
    rows, columns = np.nonzero(marked[:, :, 0] > 30)  # of letters, which are white on black
    assert rows.max() - rows.min() + 1 >= 0.05 * min(size)
    assert 0 < columns.min() < columns.max() < size[1] - 1
    assert rows.max() < size[0] - 1
    assert changed_rows.min() > size[0] * 0.7


def test_the_rest_of_the_picture_stays() -> None:
    before = np.random.default_rng(1).integers(0, 255, (400, 600, 3), dtype=np.uint8)
    marked = VisibleMark("AI").drawn_on(before)
    assert (marked[:350] == before[:350]).all()
    assert (marked[:, :500] == before[:, :500]).all()
    assert (VisibleMark("AI").drawn_on(marked) == marked).all()


def test_none_is_asked_for_by_nothing() -> None:
    assert open_mark(load({})) is None
    assert open_mark(load({"visible_mark": "  "})) is None
    assert open_mark(load({"visible_mark": " AI "})) == VisibleMark("AI")


def test_what_cannot_be_drawn_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="生成"):
        open_mark(load({"visible_mark": "AI生成"}))
    (tmp_path / "x.ttf").write_bytes(b"no font")
    for file in ("x.ttf", "missing.ttf"):
        with pytest.raises(InvalidRequest, match="no font"):
            open_mark(load({"visible_mark": "AI", "visible_mark_font": tmp_path / file}))
