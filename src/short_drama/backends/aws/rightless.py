"""How a look at an account can end without an answer; needs no AWS package."""

from typing import Final

FORBIDDEN: Final = frozenset({"403", "AccessDenied", "AccessDeniedException"})
"""Codes of a right that is lacking, one for each way in which services write it."""


class NotAllowed(Exception):
    """Whoever asks may not do this.

    Args:
        action: as policies name it, or nearly: `dynamodb:DescribeTable`.
        said: AWS's own sentence, which names who asked, and for what.
    """

    def __init__(self, action: str, said: str) -> None:
        super().__init__(action)
        self.action, self.said = action, said


class NotOffered(Exception):
    """The server, which is not AWS's, does not know this."""


def is_forbidden(error: BaseException) -> bool:
    """Whether it is a right that was lacking, of an error that a call of ours has raised."""
    answer = getattr(error.__cause__, "response", None) or {}
    return answer.get("Error", {}).get("Code") in FORBIDDEN
