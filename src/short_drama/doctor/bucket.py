"""The asset bucket: is it there, may we write what we have to, and is it closed to the public?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from short_drama.backends.aws.rightless import NotAllowed, NotOffered
from short_drama.doctor.account import EMBEDDED
from short_drama.doctor.finding import Finding, not_applicable, ok, warning, wrong
from short_drama.doctor.here import here
from short_drama.doctor.site import Site
from short_drama.wiring.components import Component

if TYPE_CHECKING:  # AWS's own packages are an extra
    from short_drama.backends.aws.survey import Survey

_WRITES = {
    "orchestrator": ("incoming/doctor", "uploads/doctor"),
    "comfyui-api": ("images/comfyui-results/doctor", "jobs/doctor/hosted.json"),
    "paid-api": ("images/face_swap/doctor", "seedream/doctor", "jobs/doctor", "reuse/doctor"),
}
"""By role: one small object where it may write, which says nothing; the next examination writes
over it."""


async def bucket(site: Site) -> Finding:
    if not site.on_aws:
        return not_applicable(EMBEDDED)
    survey, name = await site.survey(), site.settings.bucket
    try:
        if await survey.bucket_region(name) is None:
            return wrong(
                f"there is no bucket {name}",
                "Run `short-drama provision`, or set SHORT_DRAMA_BUCKET to the one there is.",
            )
    except NotAllowed:
        pass  # what follows tells more
    keys = probes(await here(site))
    if not keys:
        return ok(f"{name} is there; nothing that writes to it runs here, so no put was tried")
    try:
        for key in keys:
            await _put_and_get(survey, name, key)
    except NotAllowed as refused:
        objects = f"arn:aws:s3:::{name}/{key.rpartition('/')[0]}/*"
        return wrong(
            f"{refused.action} is refused for {name}/{key}{_in_words(refused)}",
            f"Allow s3:PutObject and s3:GetObject on {objects} to "
            f"{await site.once('caller', survey.caller)}, as deploy/iam has it; look at the "
            "bucket's policy too.",
        )
    return ok(f"{name} takes and gives {', '.join(keys)}")


def probes(components: Collection[Component]) -> Sequence[str]:
    """The keys that are put and got where these components run."""
    keys = (key for each in components for key in _WRITES.get(each.process.role, ()))
    return list(dict.fromkeys(keys))


async def _put_and_get(survey: Survey, name: str, key: str) -> None:
    await survey.put(name, key)
    await survey.get(name, key)


def _in_words(refused: NotAllowed) -> str:
    return f": {refused.said}" if refused.said else ""


async def privacy(site: Site) -> Finding:
    if not site.on_aws:
        return not_applicable(EMBEDDED)
    survey, name = await site.survey(), site.settings.bucket
    try:
        closed = await survey.closed(name)
    except NotAllowed:
        return not_applicable("this role may not look at it: ask as an operator")
    except NotOffered:
        return not_applicable("this server, which is not AWS's, has no public access block")
    if closed:
        return ok(f"{name} blocks all public access")
    return warning(
        f"{name} does not block all public access; faces are private",
        f"Run: aws s3api put-public-access-block --bucket {name} "
        "--public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,"
        "BlockPublicPolicy=true,RestrictPublicBuckets=true",
    )
