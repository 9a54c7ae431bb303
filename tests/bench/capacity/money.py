"""What simulated tasks cost, from the product's own prices and counts."""

from decimal import Decimal

from short_drama.domain.outcome import Outcome
from short_drama.domain.task_state import TaskStatus
from short_drama.orchestrator.accounts.costs import HEARTBEAT_SECONDS, Rates, requests_of
from short_drama.paid_api.paying.prices import Prices
from short_drama.settings import Settings
from short_drama.wiring.prices import cost_rates
from tests.bench.capacity.inputs import DISK, PICTURE_GB, SPOT_SHARE
from tests.samples import NOW, a_task

_HOURS_A_MONTH = 730
_UNITS_OF_A_WRITE = 5
"""Of a record: see `requests_of`."""
POLL_SECONDS = 20.0


def instance_hour(name: str, *, on_spot: bool) -> float:
    """US dollars, disk included."""
    prices = Prices.load()
    instance, month = prices.instance(name), prices.service(DISK)
    share = Decimal(str(SPOT_SHARE)) if on_spot else Decimal(1)
    return float(instance.per_hour * share + instance.volume_gb * month / _HOURS_A_MONTH)


def rates() -> Rates:
    return cost_rates(Settings(), on_aws=True)


def aws_of_thousand(*, attempts: float, held: float, machine_hours: float) -> dict[str, float]:
    """US dollars for 1,000 GPU tasks, by what they are for.

    Args:
        attempts: of a task, on average.
        held: seconds of a task in adapters' hands, each HEARTBEAT_SECONDS of which are a write.
        machine_hours: of all instances, for 1,000 tasks: their adapters ask for messages.
    """
    outcome = Outcome(result_key="x", engine="comfyui", engine_seconds=0.0, result={"bytes": 0})
    ended = a_task(
        status=TaskStatus.COMPLETED,
        attempt=1,
        waited=0.0,
        outcome=outcome,
        ended_at=NOW,
        inputs={"image_url": {"width": 8, "height": 8}},
    )
    rate, once = rates(), requests_of(ended, calls=0)
    again = attempts - 1
    writes = once.writes + _UNITS_OF_A_WRITE * (2 * again + held / HEARTBEAT_SECONDS)
    polls = machine_hours * 3600 / POLL_SECONDS
    return {
        "sqs": (1000 * once.sqs * attempts + polls) * float(rate.sqs),
        "dynamodb": 1000 * (writes * float(rate.write) + (once.reads + again) * float(rate.read)),
        "s3": 1000 * (once.puts * float(rate.put) + once.gets * float(rate.get)),
        "storage": 1000 * PICTURE_GB * float(rate.gb_month),
        "transfer": 1000 * PICTURE_GB * float(rate.gb_sent),
    }
