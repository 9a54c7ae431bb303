"""Who asks, as the service's door found out."""

from starlette.requests import HTTPConnection

from short_drama.domain.principal import LOCAL, Principal


def principal_of(request: HTTPConnection) -> Principal:
    """Whoever can reach a service without a door is its owner."""
    found: Principal = getattr(request.state, "principal", LOCAL)
    return found
