"""Store the documents as they are now; refuses where a promise would be broken."""

import asyncio
import sys

from tests.openapi import snapshots
from tests.openapi.compatible import broken


def main() -> int:
    now = asyncio.run(snapshots.current())
    faults = [
        f"{component}: {fault}"
        for component, document in now.items()
        if snapshots.path(component).exists()
        for fault in broken(snapshots.stored(component), document)
    ]
    if faults and "--break" not in sys.argv:
        print(*faults, "These break the API's promise (docs/api.md).", sep="\n", file=sys.stderr)
        return 1
    snapshots.store(now)
    return 0


if __name__ == "__main__":
    sys.exit(main())
