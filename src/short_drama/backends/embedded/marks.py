"""A set of names that takes two bytes for each: all that a million records name, in a few MiB."""

import hashlib
import secrets

_BITS_EACH = 16
_BITS_SET = 6


class Marks:
    """A Bloom filter. It knows every name that was added, and about one of a thousand that were
    not, others in each instance: what is kept by mistake is not the next time.

    Args:
        expected: about how many names there will be.
    """

    def __init__(self, expected: int) -> None:
        self._size = max(expected, 4096) * _BITS_EACH
        self._bits = bytearray(self._size // 8 + 1)
        self._salt = secrets.token_bytes(16)

    def add(self, name: str) -> None:
        for place in self._places(name):
            self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, name: str) -> bool:
        return all(self._bits[place >> 3] >> (place & 7) & 1 for place in self._places(name))

    def _places(self, name: str) -> list[int]:
        """Two halves of one hash make as many as are needed (Kirsch and Mitzenmacher, 2006)."""
        digest = hashlib.blake2b(name.encode(), digest_size=16, key=self._salt).digest()
        first, step = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big") | 1
        return [(first + turn * step) % self._size for turn in range(_BITS_SET)]
