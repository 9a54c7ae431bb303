"""What the settings say of models, machines and their prices."""

from short_drama.domain.errors import InvalidRequest
from short_drama.orchestrator.accounts.costs import Rates, machine_month
from short_drama.paid_api.paying.prices import Prices
from short_drama.settings import Settings


def open_prices(settings: Settings) -> Prices:
    """Raises InvalidRequest for a file that is wrong and, where there is a budget to be kept, for a
    model without a price."""
    prices = Prices.load(settings.prices)
    budgets = settings.budget_per_day_usd, settings.budget_per_month_usd
    if budgets == (None, None) and not settings.budget_per_label_usd:
        return prices
    if settings.detector == "qwen":
        prices.require_tokens(settings.qwen_model)
    if settings.generator == "seedream":
        prices.require_images(seedream_model(settings))
    return prices


def seedream_model(settings: Settings) -> str:
    """What is asked for, or the model behind it where that is said. Raises InvalidRequest when it
    is said of something else than an endpoint."""
    model = settings.seedream_endpoint_model
    if model is not None and not settings.seedream_model.startswith("ep-"):
        raise InvalidRequest(
            f"there is no endpoint that {model!r} could be behind",
            field="SHORT_DRAMA_SEEDREAM_ENDPOINT_MODEL",
            fix="Unset it, or name the ep-... endpoint in SHORT_DRAMA_SEEDREAM_MODEL.",
        )
    return model or settings.seedream_model


def cost_rates(settings: Settings, *, on_aws: bool) -> Rates:
    """Raises InvalidRequest for an instance that the prices do not know.

    Args:
        on_aws: whether requests, storage and transfer are charged for, as AWS does.
    """
    prices = Prices.load(settings.prices)
    gpu, cpu = (prices.instance(name) for name in (settings.gpu_instance, settings.cpu_instance))
    if not on_aws:
        return Rates(gpu_hour=gpu.per_hour)
    disk = prices.service("ebs.gb-month")
    return Rates(
        gpu_hour=gpu.per_hour,
        gpu_month=machine_month(gpu.per_hour, gpu.volume_gb, disk),
        cpu_month=machine_month(cpu.per_hour, cpu.volume_gb, disk),
        sqs=prices.service("sqs.request"),
        write=prices.service("dynamodb.write"),
        read=prices.service("dynamodb.read"),
        put=prices.service("s3.put"),
        get=prices.service("s3.get"),
        gb_month=prices.service("s3.gb-month"),
        gb_sent=prices.service("cloudfront.gb"),
    )
