"""What every submit takes beside its kind's own fields."""

from typing import Annotated

from pydantic import AfterValidator, Field

from short_drama.domain.label import RESERVED_SCHEMA, LabelKey, LabelValue, reserved_labels
from short_drama.domain.rules import Strict


class TaskOptions(Strict):
    """What every submit takes beside its kind's own fields."""

    labels: Annotated[
        dict[LabelKey, LabelValue],
        Field(
            max_length=20,
            default_factory=dict,
            description="For finding it again; project, episode, scene, shot and take say which "
            "shot it is for.",
            json_schema_extra={
                "additionalProperties": False,
                "propertyNames": {"maxLength": 64},
                "properties": dict(RESERVED_SCHEMA),
            },
        ),
        AfterValidator(reserved_labels),
    ]
    deadline_seconds: Annotated[int, Field(ge=1, le=345_600)] | None = None


class Consent(Strict):
    """Who agreed that the face may be used, and who recorded it."""

    granted_by: Annotated[str, Field(min_length=1, max_length=200)]
    recorded_by: Annotated[str, Field(min_length=1, max_length=200)]
    evidence_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class FaceTaskOptions(TaskOptions):
    consent: Consent | None = None
