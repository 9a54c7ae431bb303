"""What is kept with an asset's bytes: what they are, and how to notice that they have changed.

Facts stand in the same file, behind the bytes they are about, so that both are on the disk at once:

    the bytes | the facts, as JSON | their length, 4 bytes | their CRC-32, 4 bytes | the mark

with numbers in network order. Readers of pictures do not mind what follows a picture. Releases
before that kept the JSON in a file of its own.
"""

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import BinaryIO, Final, Self

_END: Final = struct.Struct("!II8s")
_MARK: Final = b"sd-facts"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFacts:
    """`size` in bytes, and their `sha256`: None of assets from before these were kept."""

    content_type: str
    metadata: Mapping[str, str]
    size: int | None = None
    sha256: str | None = None

    @classmethod
    def of(cls, data: bytes, *, content_type: str, metadata: Mapping[str, str]) -> Self:
        return cls(
            content_type=content_type,
            metadata=dict(metadata),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Raises ValueError where they make no sense."""
        try:
            found = json.loads(text)
            metadata = {str(name): str(value) for name, value in found["metadata"].items()}
            known = {name: found.get(name) for name in ("size", "sha256")}
            return cls(content_type=str(found["content_type"]), metadata=metadata, **known)
        except (TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError("these are no facts") from error

    @classmethod
    def at_the_end_of(cls, file: BinaryIO) -> tuple[Self | None, int]:
        """The facts, or None where there are none, and the number of bytes before them; the file is
        then at its beginning. Raises ValueError where they are damaged."""
        length = os.fstat(file.fileno()).st_size
        facts, before = None, length
        if length >= _END.size:
            file.seek(length - _END.size)
            size, checksum, mark = _END.unpack(file.read(_END.size))
            if mark == _MARK:
                facts, before = cls._checked(file, size, checksum), length - _END.size - size
        file.seek(0)
        return facts, before

    @classmethod
    def _checked(cls, file: BinaryIO, size: int, checksum: int) -> Self:
        """Those that end where the file is now, but for what says so."""
        begin = file.tell() - _END.size - size
        if begin < 0:
            raise ValueError("the facts begin before their file")
        file.seek(begin)
        text = file.read(size)
        if zlib.crc32(text) != checksum:
            raise ValueError("the facts are not what they were")
        return cls.read(text)

    def written(self) -> bytes:
        """To be put behind the bytes."""
        text = json.dumps(asdict(self)).encode()
        return text + _END.pack(len(text), zlib.crc32(text), _MARK)

    def may_fit(self, size: int) -> bool:
        """Whether bytes of that number can be those."""
        return self.size in (None, size)

    def fit(self, data: Iterable[bytes], size: int) -> bool:
        """Whether these are the bytes, piece by piece, `size` in all."""
        if self.sha256 is None or not self.may_fit(size):
            return self.may_fit(size)
        found = hashlib.sha256()
        for piece in data:
            found.update(piece)
        return found.hexdigest() == self.sha256
