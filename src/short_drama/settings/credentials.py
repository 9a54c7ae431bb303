"""Secrets that the service manager hands over as files, see LoadCredential= in systemd.exec(5)."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from short_drama.domain.errors import InvalidRequest
from short_drama.settings.unit import credentials_folder


def secret_settings(fields: Mapping[str, FieldInfo]) -> list[str]:
    """The names of those that are never shown."""
    return [name for name, field in fields.items() if _is_secret(field.annotation)]


def credentials(fields: Mapping[str, FieldInfo]) -> dict[str, str]:
    """Each secret setting's file, without the end of its line. Missing and empty ones are not set.

    Raises InvalidRequest, naming the file.
    """
    folder = credentials_folder()
    if folder is None:
        return {}
    read = {name: _read(folder / name) for name in secret_settings(fields)}
    return {name: secret for name, secret in read.items() if secret}


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidRequest(
            f"the credential {file} cannot be read: {reason}",
            field=file.name,
            fix="Make it a text file that this process may read, or remove it.",
        ) from None


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))
