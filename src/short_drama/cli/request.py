"""From command-line words to a request."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import click

from short_drama.cli.exits import EXIT_USAGE, Problem
from short_drama.domain.image_reference import is_path
from short_drama.domain.kinds import TaskKind

Grouping = TypeVar("Grouping", bound=StrEnum)


def read_images(kind: TaskKind, given: Sequence[str], face: str | None) -> dict[str, Path | str]:
    """The kind's image fields from `--image` and `--face`; files as paths, the rest as text.

    `NAME=` names a field, with or without its `_url`; images without a name fill the fields that
    are left, in order. Raises Problem.
    """
    named, unnamed = _sorted_out(kind, given)
    if face is not None:
        if "target_face_url" not in kind.image_fields:
            raise Problem(
                f"{kind.name} takes no --face", fix="Give it as --image.", code=EXIT_USAGE
            )
        named.append(("target_face_url", face))
    left = [field for field in kind.image_fields if field not in dict(named)]
    if len(unnamed) > len(left) or len(dict(named)) < len(named):
        raise Problem(
            f"there are more images than {kind.name} takes",
            fix=f"Give one each for {', '.join(_short(field) for field in kind.image_fields)}.",
            code=EXIT_USAGE,
        )
    named += zip(left, unnamed, strict=False)
    return {field: read_image(text) for field, text in named}


def read_fields(kind: TaskKind, pairs: Sequence[str]) -> dict[str, Any]:
    """`k=v` words as JSON values of the type each field takes.

    What cannot be read as that type stays text, and so does a field there is not: the service
    says best what is wrong with it. Raises Problem for a word without `=`.
    """
    return {name: _value(kind, name, text) for name, text in read_pairs("--set", pairs).items()}


def read_pairs(option: str, pairs: Sequence[str]) -> dict[str, str]:
    """Raises Problem for a word without `=`."""
    for pair in pairs:
        if "=" not in pair:
            raise Problem(
                f"{option} {pair}: there is no = in it",
                fix=f"Write {option} NAME=VALUE.",
                code=EXIT_USAGE,
            )
    return dict(pair.split("=", 1) for pair in pairs)


def _sorted_out(kind: TaskKind, given: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """With a field's name, and without: a path or URL may have an `=` of its own."""
    named, unnamed = [], []
    fields = {_short(field): field for field in kind.image_fields}
    fields |= {field: field for field in kind.image_fields}
    for text in given:
        name, equals, rest = text.partition("=")
        if equals and name in fields:
            named.append((fields[name], rest))
        else:
            unnamed.append(text)
    return named, unnamed


def _short(field: str) -> str:
    return field.removesuffix("_url")


def read_image(text: str) -> Path | str:
    """A file, or a reference as it is. Raises Problem."""
    if not is_path(text):
        return text
    path = Path(text).expanduser()
    if not path.is_file():
        raise Problem(
            f"there is no file {text}",
            fix="Give a file, an http(s) URL, asset:<key> of an upload, or task:<id>.",
            code=EXIT_USAGE,
        )
    return path


def _value(kind: TaskKind, name: str, text: str) -> Any:
    field = kind.task_request.model_fields.get(name)
    if field is None or _is_text(field.annotation):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _is_text(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return any(_is_text(part) for part in get_args(annotation))
    return annotation is str


def read_grouping(by: str, groupings: type[Grouping]) -> tuple[Grouping, str | None]:
    """What --by asks for, one of which is `label`; and of label:NAME the name."""
    name, _, label = by.partition(":")
    if name not in list(groupings) or (label and name != "label"):
        raise click.UsageError(f"--by {by!r} is none of {', '.join(groupings)}, label:NAME.")
    return groupings(name), label or None
