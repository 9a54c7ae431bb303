"""Which host a request is for, where it says so twice."""

import pytest

from short_drama.web.front.targets import agree


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (b"/health", b"anything"),
        (b"*", b"localhost"),
        (b"http://localhost/health", b"localhost"),
        (b"http://LOCALHOST:80?x=1", b"localhost"),
        (b"HTTP://localhost:8000/", b"LocalHost:8000"),
        (b"https://[::1]:443/", b"[::1]"),
    ],
)
def test_a_target_without_a_host_or_with_that_of_the_header_is_taken(
    target: bytes, host: bytes
) -> None:
    assert agree(target, [host])


@pytest.mark.parametrize(
    ("target", "hosts"),
    [
        (b"http://evil.example/health", [b"localhost"]),
        (b"http://localhost:8001/", [b"localhost:8000"]),
        (b"http://localhost@evil.example/", [b"localhost"]),
        (b"http://evil.example#@localhost/", [b"localhost"]),
        (b"http:///health", [b"localhost"]),
        (b"ftp://localhost/", [b"localhost"]),
        (b"localhost:8000", [b"localhost:8000"]),
        (b"http://evil.example/", []),
        (b"http://localhost/", [b"localhost", b"evil.example"]),
    ],
)
def test_a_target_with_another_host_is_refused(target: bytes, hosts: list[bytes]) -> None:
    assert not agree(target, hosts)
