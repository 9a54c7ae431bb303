"""How the server should be started."""

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final

from short_drama.comfyui_api.workflows.server_facts import DYNAMIC_VRAM, ServerFacts

_GIB: Final = 2**30
BOTH_FIT_BYTES: Final = 56 * _GIB
"""VRAM in which both workflows of `2509-fp8` stay loaded. Measured on ComfyUI 0.3.64, on an H100:
of 81 GB 26 stay free with both loaded; inferred from that: from 56 GiB on it is worth trying."""

ALWAYS: Final = {
    "--disable-metadata": "keeps prompts out of the files that ComfyUI writes",
    "--disable-api-nodes": "no node sends pictures to anybody else",
}
_CACHE: Final = "--cache-lru"
_BY_VERSION: Final = {
    "--normalvram": "newer ComfyUIs refuse to start with it",
    "--lowvram": "it does nothing where models are loaded by the piece, as by default",
}
_BY_ESTIMATE: Final = "--disable-dynamic-vram"


def advice(facts: ServerFacts) -> list[str]:
    """What should be changed in how the server was started, a sentence each."""
    flags = _flags(facts.argv)
    said = [f"Add {flag}: {why}." for flag, why in ALWAYS.items() if flag not in flags]
    if facts.is_older_than(DYNAMIC_VRAM):
        said += _about_the_cache(flags, facts)
    elif _BY_ESTIMATE not in flags:
        said += [f"Remove {flag}: {why}." for flag, why in _BY_VERSION.items() if flag in flags]
    if flags.get("--preview-method", "none") != "none":
        said.append("Remove --preview-method: previews have been seen to crash the whole server.")
    if not all(map(_is_loopback, flags.get("--listen", "127.0.0.1").split(","))):
        said.append(
            "Listen on 127.0.0.1 only: whoever reaches ComfyUI can read files of its machine."
        )
    return said


def _about_the_cache(flags: dict[str, str], facts: ServerFacts) -> Iterator[str]:
    """Newer servers keep what fits into RAM and the GPU by themselves."""
    fit = facts.vram_bytes >= BOTH_FIT_BYTES
    if fit and _CACHE not in flags:
        yield (
            f"Add {_CACHE} 64: both workflows fit into this GPU's memory, and no job waits for "
            "models to be loaded again (2.7 s a job instead of 10.2 s when they alternate)."
        )
    if not fit and _CACHE in flags:
        yield (
            f"Remove {_CACHE}: the workflows' models do not fit into this GPU's memory together; "
            "the service keeps jobs of the same workflow together instead."
        )


def _flags(argv: Iterable[str]) -> dict[str, str]:
    """The value of each flag, given as --flag value or --flag=value; "" where there is none."""
    flags, name = {}, ""
    for word in argv:
        if word.startswith("--"):
            name, _, value = word.partition("=")
            flags[name] = value
        elif name and not flags[name]:
            flags[name] = word
    return flags


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
