"""The server's input, output and temp folders."""

import glob
import hashlib
import mimetypes
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

TYPES = ("input", "output", "temp")


class OutsideFolder(Exception):
    """A path leads out of its folder."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came by POST /upload/image, under the name that it was given."""

    name: str
    subfolder: str
    type: str
    size: int

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "subfolder": self.subfolder, "type": self.type}


@dataclass(frozen=True, slots=True)
class SavedFile:
    filename: str
    subfolder: str
    type: str

    def as_json(self) -> dict[str, str]:
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.type}


class Folders:
    """Below one root, which outlives the server; temp is emptied at its start."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._digests: dict[Path, str] = {}

    def open(self) -> None:
        shutil.rmtree(self.root / "temp", ignore_errors=True)
        for name in (*TYPES, "rendered"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def resolve(self, kind: str, *parts: str) -> Path:
        """Raises OutsideFolder."""
        folder = (self.root / kind).resolve()
        path = folder.joinpath(*parts).resolve()
        if not path.is_relative_to(folder):
            raise OutsideFolder(str(path))
        return path

    def annotated(self, name: str) -> Path:
        """The file that LoadImage means by "a.png" or "a.png [temp]". It may be anywhere."""
        for kind in TYPES:
            if name.endswith(f" [{kind}]"):
                return self.root / kind / name.removesuffix(f" [{kind}]")
        return self.root / "input" / name

    def images(self) -> list[str]:
        """What LoadImage offers: the images in input/, without those in folders below."""
        return sorted(
            path.name
            for path in (self.root / "input").iterdir()
            if (mimetypes.guess_type(path.name)[0] or "").startswith("image/")
        )

    def digest(self, path: Path) -> str:
        """What changes when the file does; of an upload, its hash."""
        if path in self._digests or not path.exists():
            return self._digests.get(path, "")
        status = path.stat()
        return f"{status.st_size}-{status.st_mtime_ns}"

    def keep(self, data: bytes, name: str, subfolder: str, kind: str, *, overwrite: bool) -> Upload:
        """Write an upload, under another name if this one is taken by other bytes.

        Raises OutsideFolder; FileNotFoundError when the name has a folder that does not exist.
        """
        path = self.resolve(kind, subfolder, name)
        (self.root / kind / subfolder).mkdir(parents=True, exist_ok=True)
        stem, suffix, number = path.stem, path.suffix, 0
        while not overwrite and path.exists() and path.read_bytes() != data:
            number += 1
            path = path.with_name(f"{stem} ({number}){suffix}")
        path.write_bytes(data)
        self._digests[self.root / kind / subfolder / path.name] = hashlib.sha256(data).hexdigest()
        return Upload(path.name if number else name, subfolder, kind, len(data))

    def save(self, picture: Path, kind: str, prefix: str, suffix: str) -> SavedFile:
        """Move a rendered picture to where the next number is free: prefix_00001_.png."""
        place = PurePosixPath(prefix)
        folder = self.root / kind / place.parent
        folder.mkdir(parents=True, exist_ok=True)
        numbers = (
            re.match(r"\d+", path.name.removeprefix(f"{place.name}_"))
            for path in folder.glob(f"{glob.escape(place.name)}_*")
        )
        taken = max((int(number[0]) for number in numbers if number), default=0)
        filename = f"{place.name}_{taken + 1:05}{suffix}"
        picture.rename(folder / filename)
        subfolder = "" if place.parent == PurePosixPath() else str(place.parent)
        return SavedFile(filename, subfolder, kind)
