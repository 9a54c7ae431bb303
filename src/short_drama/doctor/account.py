"""The AWS account: who we are there, and whether we look in the right region."""

from short_drama.backends.aws.rightless import NotAllowed
from short_drama.doctor.finding import Finding, not_applicable, ok, wrong
from short_drama.doctor.site import Site
from short_drama.domain.errors import Unavailable

EMBEDDED = "the embedded backend needs no AWS account"
_CREDENTIALS = (
    "Give credentials as every AWS tool takes them: the instance's role, AWS_PROFILE, or "
    "AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY; `aws sts get-caller-identity` asks the same."
)


async def credentials(site: Site) -> Finding:
    if not site.on_aws:
        return not_applicable(EMBEDDED)
    survey = await site.survey()
    try:
        return ok(f"this is {await site.once('caller', survey.caller)}")
    except Unavailable as error:
        return wrong(error.detail, error.fix or _CREDENTIALS)


async def region(site: Site) -> Finding:
    """The bucket tells where it is, whichever region is asked; queues and tables do not."""
    if not site.on_aws:
        return not_applicable(EMBEDDED)
    survey, bucket = await site.survey(), site.settings.bucket
    try:
        where = await survey.bucket_region(bucket)
    except NotAllowed:
        where = None
    if not where:
        return ok(f"{survey.region}; the bucket {bucket} does not say where it is")
    if where != survey.region:
        return wrong(
            f"the region is {survey.region}, and the bucket {bucket} is in {where}",
            f"Set AWS_REGION={where}, and unset SHORT_DRAMA_AWS_REGION if it says otherwise; "
            "queues, table and bucket belong into one region.",
        )
    return ok(f"{survey.region}, and the bucket is there too")
