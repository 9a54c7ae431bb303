"""The asset bucket: is it there, may we write what we have to, and is it closed to the public?"""

from collections.abc import Collection, Sequence

from short_drama.backends.aws.rightless import NotAllowed, NotOffered
from short_drama.doctor.account import EMBEDDED
from short_drama.doctor.finding import Finding, not_applicable, ok, warning, wrong
from short_drama.doctor.here import here
from short_drama.doctor.site import Site
from short_drama.wiring.components import Component

_PROBE = "doctor"
"""The name of one small object wherever something of ours may write; it says nothing, and the next
examination writes over it."""


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
    for key in keys:
        await survey.put(name, key)
        await survey.get(name, key)
    return ok(f"{name} takes and gives {', '.join(keys)}")


def probes(components: Collection[Component]) -> Sequence[str]:
    """The keys that are put and got where these components run, as their roles' rights have it."""
    from short_drama.backends.aws.rights import ROLES

    patterns = (
        pattern.partition("/")[2]
        for component in components
        for statement in ROLES[component.process.role]
        if "s3:PutObject" in statement.actions
        for pattern in statement.resources
    )
    return list(dict.fromkeys(pattern.replace("*", _PROBE) for pattern in patterns))


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
