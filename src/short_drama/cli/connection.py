"""A client of the running service, and how its errors end a command."""

import contextlib
from collections.abc import Iterator

from short_drama.cli.configuration import read_settings
from short_drama.cli.exits import EXIT_FAILED, EXIT_UNAVAILABLE, EXIT_USAGE, Problem
from short_drama.sdk.errors import ApiError, ClientError, ServiceUnreachable
from short_drama.sdk.sync import Client


def addresses(url: str | None, cpu_url: str | None) -> tuple[str, str]:
    """Where the two orchestrators are: as given, else as the settings say.

    When only one is given, it is asked for everything: the other one's default address may be
    another installation's.
    """
    if url or cpu_url:
        return url or cpu_url or "", cpu_url or url or ""
    settings = read_settings()
    host = settings.reached_at
    ports = (settings.orchestrator_port, settings.cpu_orchestrator_port)
    return f"http://{host}:{ports[0]}", f"http://{host}:{ports[1]}"


@contextlib.contextmanager
def connected(url: str | None, cpu_url: str | None) -> Iterator[Client]:
    gpu, cpu = addresses(url, cpu_url)
    key = read_settings().api_key
    shown = None if key is None else key.get_secret_value()
    with reported(), Client(gpu_url=gpu, cpu_url=cpu, api_key=shown) as client:
        yield client


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """End the command with what the client raises."""
    try:
        yield
    except ClientError as error:
        raise Problem(_all_of(error), fix=error.fix, code=_exit_code(error)) from None
    except OSError as error:
        raise Problem(str(error), code=EXIT_USAGE) from None


def _all_of(error: ClientError) -> str:
    """What is wrong; a line for each field where several are."""
    faults = (error.problem.errors or []) if isinstance(error, ApiError) else []
    if len(faults) < 2:
        return str(error)
    return "\n".join(f"{fault['field']}: {fault['message']}" for fault in faults)


def _exit_code(error: ClientError) -> int:
    if isinstance(error, ServiceUnreachable):
        return EXIT_UNAVAILABLE
    if isinstance(error, ApiError):
        return EXIT_USAGE if error.problem.status < 500 else EXIT_UNAVAILABLE
    return EXIT_FAILED
