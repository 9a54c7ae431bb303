"""What of an OpenAPI document a later one no longer keeps; docs/api.md has the rule in words.

A request may be given more freedom, an answer more content; neither may be taken any.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Part = Mapping[str, Any]
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_METHODS: Final = ("get", "post", "put", "patch", "delete", "head")


def broken(old: Part, new: Part) -> list[str]:
    """A sentence for each promise that `new` does not keep; empty where it is compatible."""
    return sorted(set(_Comparison(old, new).all()))


class _Comparison:
    def __init__(self, old: Part, new: Part) -> None:
        self._old, self._new = old, new
        self._under_way: set[tuple[str, str, bool]] = set()

    def all(self) -> Iterator[str]:
        for path, methods in self._old["paths"].items():
            for method in _METHODS:
                if method not in methods:
                    continue
                where, after = f"{method.upper()} {path}", self._new["paths"].get(path, {})
                if method not in after:
                    yield f"{where} is gone"
                else:
                    yield from self._operation(where, methods[method], after[method])

    def _operation(self, where: str, old: Part, new: Part) -> Iterator[str]:
        yield from self._parameters(where, old, new)
        asked, asks = old.get("requestBody"), new.get("requestBody")
        if asked is None and asks is not None and asks.get("required"):
            yield f"{where} now requires a body"
        elif asked is not None:
            if asks and asks.get("required") and not asked.get("required"):
                yield f"{where} now requires a body"
            yield from self._content(f"{where}, body", asked, asks or {}, request=True)
        for status, answer in old.get("responses", {}).items():
            if status not in new.get("responses", {}):
                if status.startswith("2"):
                    yield f"{where} no longer answers {status}"
            else:
                after = new["responses"][status]
                yield from self._content(f"{where}, {status}", answer, after, request=False)

    def _parameters(self, where: str, old: Part, new: Part) -> Iterator[str]:
        before, after = (
            {(each["in"], each["name"]): each for each in one.get("parameters", ())}
            for one in (old, new)
        )
        for (place, name), each in before.items():
            if (place, name) not in after:
                yield f"{where} no longer takes {place} {name}"
                continue
            now = after[place, name]
            if now.get("required") and not each.get("required"):
                yield f"{where} now requires {place} {name}"
            schemas = each.get("schema", {}), now.get("schema", {})
            yield from self._schema(f"{where}, {place} {name}", *schemas, request=True)
        for place, name in after.keys() - before.keys():
            if after[place, name].get("required"):
                yield f"{where} now requires {place} {name}"

    def _content(self, where: str, old: Part, new: Part, *, request: bool) -> Iterator[str]:
        for kind, body in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"{where}: {kind} is gone"
            else:
                schemas = body.get("schema", {}), new["content"][kind].get("schema", {})
                yield from self._schema(where, *schemas, request=request)

    def _schema(self, where: str, old: Part, new: Part, *, request: bool) -> Iterator[str]:
        names = str(old.get("$ref", id(old))), str(new.get("$ref", id(new)))
        if (*names, request) in self._under_way:  # it refers to itself
            return
        self._under_way.add((*names, request))
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        yield from self._alternatives(where, old, new, request=request)
        # What a request was allowed to be it may be still; an answer is nothing that it was not.
        wide, narrow = (new, old) if request else (old, new)
        if not _types(narrow) <= _types(wide) and _types(wide):
            yield f"{where} is of another type"
        if request:
            yield from _narrowed(where, old, new)
        yield from self._properties(where, old, new, request=request)
        if "items" in old and "items" in new:
            yield from self._schema(f"{where}[]", old["items"], new["items"], request=request)
        self._under_way.discard((*names, request))

    def _alternatives(self, where: str, old: Part, new: Part, *, request: bool) -> Iterator[str]:
        """Each that was accepted still is; each that is answered was so before."""
        before, after = _choices(old), _choices(new)
        if len(before) == len(after) == 1:
            return
        for one in before if request else after:
            others = after if request else before
            pairs = ((one, each) if request else (each, one) for each in others)
            if all(any(self._schema(where, *pair, request=request)) for pair in pairs):
                yield f"{where}: {one.get('$ref') or one.get('type') or 'one'} is no alternative"

    def _properties(self, where: str, old: Part, new: Part, *, request: bool) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, each in before.items():
            if name not in after:
                yield f"{where}: {name} is gone"
            else:
                yield from self._schema(f"{where}: {name}", each, after[name], request=request)
        required, requires = set(old.get("required", ())), set(new.get("required", ()))
        if request:
            yield from (f"{where} now requires {name}" for name in requires - required)
        else:
            missing = (required - requires) & after.keys()
            yield from (f"{where}: {name} may be missing now" for name in missing)


def _resolved(document: Part, part: Part) -> Part:
    if "$ref" not in part:
        return part
    for step in part["$ref"].removeprefix("#/").split("/"):
        document = document[step]
    return document


def _choices(part: Part) -> list[Part]:
    found = part.get("anyOf") or part.get("oneOf")
    return list(found) if found else [part]


def _types(part: Part) -> set[str]:
    told = part.get("type", ())
    types = {told} if isinstance(told, str) else set(told)
    return types | {"integer"} if "number" in types else types


def _narrowed(where: str, old: Part, new: Part) -> Iterator[str]:
    if "enum" in new and (gone := set(old.get("enum", ())) - set(new["enum"])):
        yield f"{where} no longer takes {', '.join(map(repr, sorted(gone, key=str)))}"
    if "enum" in new and "enum" not in old and "const" not in old:
        yield f"{where} now takes only some values"
    for word in _LOWER:
        if word in new and new[word] > old.get(word, float("-inf")):
            yield f"{where} now has {word} {new[word]}"
    for word in _UPPER:
        if word in new and new[word] < old.get(word, float("inf")):
            yield f"{where} now has {word} {new[word]}"
    if "pattern" in new and not _is_wider(old.get("pattern"), new["pattern"]):
        yield f"{where} now has another pattern"


def _is_wider(old: str | None, new: str) -> bool:
    """Whether it is the same pattern, or one that begins with more alternatives: ^(a|b)c."""
    before, after = _alternatives_of(old or ""), _alternatives_of(new)
    if not before or not after:
        return old == new
    return before[-1] == after[-1] and set(before) <= set(after)


def _alternatives_of(pattern: str) -> list[str]:
    """Of the group that a pattern begins with, and last what follows it; empty where none does."""
    depth, parts = 0, [""]
    for at, letter in enumerate(pattern.removeprefix("^") if pattern[:2] == "^(" else ""):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            return [*(part.removeprefix("(") for part in parts), pattern[at + 2 :]]
        if depth == 1 and letter == "|":
            parts.append("")
        else:
            parts[-1] += letter
    return []
