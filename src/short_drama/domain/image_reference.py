"""How a request names an image."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError


def is_path(text: str) -> bool:
    """Whether this names a file of the caller's: it has no scheme, for a drive's letter is none."""
    return re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]+:", text) is None


def _image_reference(value: str) -> str:
    # What a URL may look like is judged by whoever sends it: here it only has to be one.
    if not re.match(r"\s*((?i:https?)://|s3://|asset:).", value, re.DOTALL):
        raise PydanticCustomError(
            "image_reference",
            "is neither an http(s) URL, nor s3:// in our bucket, nor asset:<key> of an upload",
        )
    return value


ImageReference = Annotated[
    str,
    Field(
        min_length=1, max_length=2048, json_schema_extra={"pattern": "^(https?://|s3://|asset:)."}
    ),
    AfterValidator(_image_reference),
]
