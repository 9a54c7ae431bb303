"""What /metrics tells in this process, for tests."""

from short_drama import metrics


def figure(name: str, **labels: object) -> float | None:
    """Of the metric without its prefix; None where it is not told."""
    given = {label: str(value) for label, value in labels.items()}
    return metrics.REGISTRY.get_sample_value(f"{metrics.NAMESPACE}_{name}", given)


def counted(name: str, **labels: object) -> float:
    """As `figure`, of what begins at 0."""
    return figure(name, **labels) or 0.0
