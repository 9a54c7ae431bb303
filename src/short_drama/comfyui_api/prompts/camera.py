"""Camera moves as steps of the pad, and as people write them.

A free prompt in English or Chinese becomes a `CameraMove`, or is refused by name of what could not
be read. How a model is told of a move is `camera_words`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from short_drama.comfyui_api.prompts.phrasebook import Phrase, Phrasebook, Term, listed, quoted
from short_drama.domain.errors import InvalidRequest, PromptUnsupported

READABLE: Final = (
    "left or right by up to 90 degrees (向左旋转45度), higher or lower (向上移动, 向下移动), "
    "top-down (俯视), low angle from below (仰视), forward or close-up (向前移动, 特写), "
    "wide angle or pull away (广角, 向后移动)"
)
"""What `read` understands, for people."""


@dataclass(frozen=True, slots=True)
class CameraMove:
    """Steps of the camera pad.

    vertical: 2 top-down, 1 slightly higher, -1 slightly lower, -2 extreme low angle.
    horizontal: steps of 45 degrees around the subject, -1 to -4 to the left, 1 to 4 to the right;
    beyond 2 only some models go.
    zoom: 1 forward, -1 pull away.

    Raises InvalidRequest for a step outside its range.
    """

    vertical: int = 0
    horizontal: int = 0
    zoom: int = 0

    def __post_init__(self) -> None:
        for field, reach in (("vertical", 2), ("horizontal", 4), ("zoom", 1)):
            value = getattr(self, field)
            if abs(value) > reach:
                raise InvalidRequest(
                    f"{field} is {value}",
                    field=field,
                    fix=f"Give a whole number from {-reach} to {reach}.",
                )

    @property
    def is_still(self) -> bool:
        return not (self.vertical or self.horizontal or self.zoom)


AXES: Final = ("horizontal", "vertical", "zoom")
_FURTHEST: Final = 2
"""Horizontal steps of the preview."""

_TERMS: Final = {
    "degrees": Term(
        r"\d{1,3}\s*-?\s*(?:degrees?|deg|°)", r"(?:\d{1,3}|三十|四十五|六十|九十)\s*度"
    ),
    "top_down": Term(
        r"top[- ]down|overhead|bird'?s?[- ]eye|(?:from )?directly above|from above",
        "俯视|俯拍|俯瞰|鸟瞰|顶视",
    ),
    "low_angle": Term(
        r"worm'?s?[- ]eye|(?:extreme(?:ly)?|very) low(?:[- ]angle)?|from below",
        "仰视|仰拍|极低角度|极低机位",
    ),
    "higher": Term(
        r"higher|high[- ]angle|upwards?|raised?|(?:from )?slightly above|(?<=move )up|"
        r"(?<=camera )up",
        "向上|往上|上移|上升|升高|抬高|高角度|高机位|高一点|略高",
    ),
    "lower": Term(
        r"lower(?:ed)?|low[- ]angle|downwards?|(?:from )?slightly below|(?<=move )down|"
        r"(?<=camera )down",
        "向下|往下|下移|下降|降低|低角度|低机位|低一点|略低",
    ),
    "closer": Term(
        r"close[- ]?ups?|up close|closer|forwards?|(?:zoom|push|dolly|move)(?:ed|ing)?[- ]in",
        "特写|近景|向前|往前|前移|推近|拉近|靠近|推进",
    ),
    "wider": Term(
        r"wider?(?:[- ]angle)?|(?:zoom|dolly)(?:ed|ing)?[- ]out|backwards?|farther|further"
        r"|(?:pull|mov|step)(?:e|ed|ing)?[- ](?:away|back|out)|(?<=camera )(?:away|back|out)",
        "广角|远景|全景|向后|往后|后移|后退|拉远|远离",
    ),
    "left": Term(r"leftwards?|left(?:[- ]hand)?", "左"),
    "right": Term(r"rightwards?|right(?:[- ]hand)?", "右"),
}

_STEPS: Final = {
    "top_down": ("vertical", 2),
    "higher": ("vertical", 1),
    "lower": ("vertical", -1),
    "low_angle": ("vertical", -2),
    "left": ("horizontal", -1),
    "right": ("horizontal", 1),
    "closer": ("zoom", 1),
    "wider": ("zoom", -1),
}

_ENGLISH_FILLER: Final = r"""
    (?:of|on|around|towards?|at|from)\s+(?:the\s+|her\s+|his\s+)?(?:subject|person|character|face)
    next\s+scene:? please rotat(?:e|ed|ing) turn(?:ed|ing)? orbit(?:ing)? swing pan move moving
    shift slide bring take place set change switch make give show camera camera's view viewpoint
    viewed seen shoot shot angle perspective lens image picture photo frame
    i want would like the a an to by of on at from in into with and also slightly little bit more
    it this is side position
"""

_CHINESE_FILLER: Final = (
    "请 我想 我要 想 要 将 把 让 镜头 相机 摄像机 摄影机 机位 视角 视图 角度 画面 旋转 转动 转到 "
    "转为 转成 转向 转 移动 移到 移至 移 切换到 切换为 切换 切 变成 变为 改为 改成 调整为 调整到 "
    "拍摄 拍 的 到 至 向 往 从 一点 一些 点 稍微 略微 稍 略 一下 下一个场景 并且 并 和 同时 再 为 "
    "成 侧 面 边 方 角 镜 进行"
)

_BOOK: Final = Phrasebook(_TERMS, _ENGLISH_FILLER, _CHINESE_FILLER)

_CHINESE_DEGREES: Final = {"三十": 30, "四十五": 45, "六十": 60, "九十": 90}


def require_a_move(move: CameraMove) -> None:
    """Raises InvalidRequest."""
    if move.is_still:
        raise InvalidRequest(
            "the camera is not moved: vertical, horizontal and zoom are all 0 and prompt is empty",
            field="prompt",
            fix="Give a prompt, or at least one of vertical, horizontal and zoom.",
        )


def move_for(prompt: str | None, move: CameraMove) -> CameraMove:
    """The move that the preview shows: the pad's and the prompt's together.

    Raises InvalidRequest if there are neither or the pad goes further than the preview can,
    PromptUnsupported as `read` does, or if the two point in opposite directions.
    """
    if abs(move.horizontal) > _FURTHEST:
        raise InvalidRequest(
            f"horizontal is {move.horizontal}; the preview turns by up to 90 degrees",
            field="horizontal",
            fix=f"Give a whole number from {-_FURTHEST} to {_FURTHEST}. More needs ComfyUI.",
        )
    if not (prompt or "").strip():
        require_a_move(move)
        return move
    asked = read(prompt or "")
    steps = [(axis, getattr(each, axis)) for each in (move, asked) for axis in AXES]
    return _combined(steps, str(prompt))


def read(prompt: str) -> CameraMove:
    """The move that `prompt` asks for, if every word of it is understood.

    Raises PromptUnsupported otherwise.
    """
    phrases = read_phrases(prompt)
    unread = [word for phrase in phrases for word in phrase.unread]
    if unread:
        raise _unsupported(f"the preview does not understand {listed(unread)} in {quoted(prompt)}")
    steps = [step for phrase in phrases if not phrase.negated for step in _turned(phrase)]
    refused = {step for phrase in phrases if phrase.negated for step in _turned(phrase)}
    if not steps:
        raise _unsupported(f"the preview finds no camera move in {quoted(prompt)}")
    if refused & set(steps):
        raise _unsupported(f"{quoted(prompt)} asks for a camera move and against it")
    return _combined(steps, prompt)


def read_phrases(prompt: str) -> list[Phrase]:
    """With the terms of this module found in them, and the other words unread."""
    return _BOOK.read(prompt)


def steps_of(phrase: Phrase) -> list[tuple[str, int]]:
    """The steps of the pad that a phrase names, each with its axis, whatever the angle."""
    return [_STEPS[found.name] for found in phrase.found if found.name in _STEPS]


def _turned(phrase: Phrase) -> list[tuple[str, int]]:
    """The same, the phrase's angle applied to those that have no fixed one."""
    named = steps_of(phrase)
    angles = {_turn(found.text) for found in phrase.found if found.name == "degrees"}
    if not angles:
        return named
    turned = [(axis, step) for axis, step in named if axis != "zoom" and abs(step) == 1]
    if len(angles) > 1 or not turned:
        raise _unsupported("an angle must stand beside the one direction that it belongs to")
    turn = angles.pop()
    return [(axis, step * turn) if (axis, step) in turned else (axis, step) for axis, step in named]


def _turn(text: str) -> int:
    """Steps of the pad for "45 degrees" or "九十度"."""
    digits = "".join(filter(str.isdecimal, text))
    degrees = int(digits) if digits else _CHINESE_DEGREES[text.removesuffix("度").strip()]
    if not 1 <= degrees <= 112:
        raise _unsupported(f"the preview turns by up to 90 degrees, not {degrees}")
    return 1 if degrees <= 67 else 2


def _combined(steps: Iterable[tuple[str, int]], prompt: str) -> CameraMove:
    """The strongest step on each axis; opposite ones are a contradiction."""
    strongest = {"vertical": 0, "horizontal": 0, "zoom": 0}
    for axis, step in steps:
        if strongest[axis] * step < 0:
            raise _unsupported(f"{quoted(prompt)} moves the camera in opposite directions ({axis})")
        strongest[axis] = max(strongest[axis], step, key=abs)
    return CameraMove(**strongest)


def _unsupported(detail: str) -> PromptUnsupported:
    return PromptUnsupported(
        detail,
        field="prompt",
        fix=f"Use the camera pad, or only these words: {READABLE}. Other words need ComfyUI.",
    )
