"""One attack in a process of its own: what it costs the attacker is not the service's fault.

    python -m tests.attacks.hostile NAME HOST PORT

Prints how often it was answered with what, as JSON, and the answers that no attack may bring about.
"""

import asyncio
import json
import os
import sys
from collections import Counter

from tests.attacks.catalogue import ATTACKS, Answers

_NICE = 5
"""Another machine's, in truth: it has no part in the time of this one."""


def status(answer: bytes | None) -> str:
    """The last of an answer's; in words where there is none."""
    if answer is None:
        return "open"
    return answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.") else "closed"


def is_wrong(answer: bytes | None) -> bool:
    """5xx is said on purpose only: 503, and when to ask again."""
    if answer is None or not answer.startswith(b"HTTP/1.") or answer[9:10] != b"5":
        return False
    head = answer.partition(b"\r\n\r\n")[0].lower()
    return answer[9:12] != b"503" or b"\r\nretry-after: " not in head


def told(answers: Answers) -> str:
    statuses = Counter(status(answer) for answer in answers)
    wrong = [str((answer or b"")[:400]) for answer in answers if is_wrong(answer)]
    return json.dumps({"statuses": statuses, "wrong": wrong})


if __name__ == "__main__":
    os.nice(_NICE)
    name, host, port = sys.argv[1:]
    print(told(asyncio.run(ATTACKS[name]((host, int(port))))))
