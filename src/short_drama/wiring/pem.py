"""Keys and certificates, as settings give them."""

from pathlib import Path

from pydantic import SecretStr

from short_drama.domain.errors import InvalidRequest


def pem(key: SecretStr, setting: str) -> str:
    """A secret that is PEM, or the path of a file that holds it. Raises InvalidRequest."""
    text = key.get_secret_value()
    return text if text.startswith("-----BEGIN") else pem_file(Path(text), setting)


def pem_file(file: Path, setting: str) -> str:
    """Raises InvalidRequest, naming the setting."""
    try:
        return file.read_text("ascii")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not PEM"
        raise InvalidRequest(
            f"{setting} names a file that cannot be read: {reason}",
            field=setting,
            fix="Name a PEM file that this process may read.",
        ) from None
