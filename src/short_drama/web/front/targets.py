"""What a request's first line names, beside what its Host header does."""

from collections.abc import Sequence

from short_drama.web.hosts import authority

_PORTS = {"http": 80, "https": 443}


def agree(target: bytes, hosts: Sequence[bytes]) -> bool:
    """Whether a target with a host in it (RFC 9112 section 3.2.2) has that of `hosts`, the values
    of all Host headers: it is the target that counts then, and the header that is looked at."""
    if target.startswith((b"/", b"*")):
        return True
    scheme, _, rest = target.decode("latin-1").partition("://")
    port = _PORTS.get(scheme.lower())
    named = rest.replace("?", "/").replace("#", "/").partition("/")[0]
    found = {_place(one, port) for one in (named, *(host.decode("latin-1") for host in hosts))}
    return bool(hosts) and port is not None and len(found) == 1 and None not in found


def _place(text: str, port: int | None) -> tuple[str, int | None] | None:
    place = authority(text)
    return place and (place[0], place[1] or port)
