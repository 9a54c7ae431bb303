"""The AWS backend: names, addresses and the secret."""

import os
from typing import Annotated

from pydantic import Field, SecretStr

from short_drama.settings.parts import Group

_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""Read by AWS's own tools, which find them in other places as well."""


def secrets_in_environment() -> list[str]:
    return [value for name in _SECRETS if (value := os.environ.get(name))]


class AwsSettings(Group):
    """What the AWS backend is called and where it is."""

    bucket: str = "short-drama-assets"
    """The one bucket that s3:// references may name; on AWS, where assets are kept."""
    table: str = "task_store"
    name_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,40}$")] = ""
    """Before the names of queues and table, for several stages in one AWS account."""
    cloudfront_domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+(:\d+)?$")] | None = None
    """Where clients read assets of the AWS backend."""
    cloudfront_key_pair_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{5,40}$")] | None = None
    """Of the public key in the distribution's key group: pictures' addresses are then signed."""
    cloudfront_private_key: SecretStr | None = None
    """That key's other half, in PEM, or the path of a file that holds it."""
    aws_region: str | None = Field(default_factory=lambda: os.environ.get("AWS_REGION"))
    secret: Annotated[SecretStr, Field(min_length=32)] | None = None
    """Makes task ids of idempotency keys, and keys of uploads, unguessable: one for all
    orchestrators on AWS; the embedded backend makes its own."""
