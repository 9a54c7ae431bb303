"""The one key that every emulator knows, and calls made with it: do they really answer?"""

from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

REGION = "us-east-1"
ACCESS_KEY_ID, SECRET_ACCESS_KEY = "emulated", "emulated-secret"


def answers(service: str, url: str, operation: str, **parameters: Any) -> bool:
    """Whether the server at `url` does what it is asked, right now."""
    session = botocore.session.Session()
    client: Any = session.create_client(
        service,
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        config=Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1}),
    )
    try:
        getattr(client, operation)(**parameters)
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()
    return True


def environment(**urls: str) -> Mapping[str, str]:
    """What every AWS SDK reads: the key, and each service's URL (`sqs=`, `dynamodb=`, `s3=`)."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        **{f"AWS_ENDPOINT_URL_{service.upper()}": url for service, url in urls.items()},
    }
