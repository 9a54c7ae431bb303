"""The table of what was put in: value, and where it is from."""

from tests.bench.capacity import inputs
from tests.bench.capacity.fleet import DRAIN, Fleet
from tests.bench.capacity.inputs import ANGLE, DEFAULTS, EDIT, H100, T4
from tests.bench.capacity.load import BATCH, PROFILE, Load
from tests.bench.capacity.scaling import ABOVE_MINUTES, BELOW_MINUTES, BELOW_SHARE, Policy

_ASSUMED = "**assumed**"
_CARDS = "[workflows](workflows.md#which-card-can-do-what)"
_MEASURED = "measured: [measurements](measurements.md#comfyui)"


def told() -> list[list[str]]:
    """Rows: what, value, source."""
    return [*_jobs(), *_tasks(), *_machines(), *_calls()]


def _span(span: tuple[float, float], unit: str, *, by: float = 1.0) -> str:
    return f"{span[0] / by:g} to {span[1] / by:g} {unit}"


def _jobs() -> list[list[str]]:
    switching = (
        f"{H100.seconds[ANGLE][0]:g} s, {H100.seconds[EDIT][0]:g} s; a switch {H100.swap:g} s"
    )
    return [
        [
            "a job on a T4 (`g4dn.xlarge`), both kinds with the same models",
            _span(T4.seconds[ANGLE], "s"),
            f"computed: {_CARDS}",
        ],
        [
            "the same on an A10G (`g5.xlarge`)",
            _span(inputs.A10G.seconds[ANGLE], "s"),
            f"computed, the spread {_ASSUMED}: {_CARDS}",
        ],
        [
            "`camera-angle` and `qwen-image-edit` on an H100, each with its own models",
            switching,
            f"measured with older files: {_CARDS}",
        ],
        ["the engine idles until the next prompt", f"{1000 * DEFAULTS.gap:g} ms", _MEASURED],
        [
            "the same if only one prompt is in ComfyUI",
            f"{1000 * DEFAULTS.handover:g} ms",
            f"{_MEASURED}, one task at a time: an upper bound",
        ],
        [
            "before and after, beside the engine",
            f"{DEFAULTS.prepare:g} s and {DEFAULTS.publish:g} s",
            _ASSUMED,
        ],
    ]


def _tasks() -> list[list[str]]:
    shares = ", ".join(f"{share:g}" for share in PROFILE)
    return [
        ["tasks of each hour from midnight, of the busiest one's", shares, _ASSUMED],
        [f"tasks in batches of {BATCH}", f"{100 * Load(per_hour=0).in_batches:g} %", _ASSUMED],
        [
            "kinds",
            " to ".join(f"{weight:g} `{kind}`" for kind, weight in inputs.KINDS.items()),
            _ASSUMED,
        ],
        [
            "the busiest hour asks",
            f"{100 * inputs.BUSIEST:g} % of what all GPUs can do",
            "chosen: the load grows with the fleet",
        ],
    ]


def _machines() -> list[list[str]]:
    fleet = Fleet(card=T4)
    acts = (
        f"after {ABOVE_MINUTES} min above the target, {BELOW_MINUTES} below "
        f"{100 * BELOW_SHARE:g} % of it, and not within "
        f"{Policy(target=1, most=1).warm_up / 60:g} min of a launch"
    )
    return [
        [
            "from an instance's launch until it takes work",
            _span(fleet.boot, "min", by=60),
            f"{_ASSUMED}, with an image of one's own",
        ],
        ["between two spot interruptions of an instance", f"{fleet.spot_hours:g} h", _ASSUMED],
        ["between two ends without notice", f"{fleet.crash_hours:g} h", _ASSUMED],
        [
            "a spot instance's price",
            f"{100 * inputs.SPOT_SHARE:g} % of that on demand",
            f"{_ASSUMED}, in the middle of [AWS](aws.md#what-it-costs)'s",
        ],
        ["drain", f"{DRAIN:g} s", "the setting's default, as lease and sweep are"],
        [
            "target tracking acts",
            acts,
            f"AWS's user guide; that figures come a minute late is {_ASSUMED}",
        ],
        ["prices", "", "`paid_api/paying/prices.toml`, each with source and date"],
    ]


def _calls() -> list[list[str]]:
    return [
        [
            "a detection, a picture",
            f"{_span(inputs.DETECTOR.seconds, 's')}, {_span(inputs.GENERATOR.seconds, 's')}",
            "what has been seen: [operations](operations.md#providers)",
        ],
        [
            "calls a minute",
            f"{inputs.DETECTOR.per_minute} and {inputs.GENERATOR.per_minute}",
            "the settings' defaults",
        ],
        ["face swaps for each GPU task", f"{inputs.SWAP_SHARE:g}", _ASSUMED],
        ["a result", f"{1000 * inputs.PICTURE_GB:g} MB", _MEASURED],
    ]
