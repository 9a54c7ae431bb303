"""What providers answered, in files that are written once, under `jobs/{task}/`, where no client
reads:

* `{step}.{number}.answered.json`: the answer of a call, when it came and what it cost;
* `{step}.{number}.picture`: the bytes that an answer only points to.

That the call was made is on the task's page of the ledger. The first file is written before the
page says that the call was paid for, so a crash in between is settled from it.
"""

import contextlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from short_drama.domain import asset_keys, formats
from short_drama.domain.errors import AssetNotFound
from short_drama.domain.spending import PaidCall
from short_drama.ports import AssetExists, AssetStore

log = logging.getLogger(__name__)

Facts = Mapping[str, Any]
"""JSON: provider, model, request id, cost. Never a prompt, never pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """`at`: when it came, in Unix seconds; `micros`: what it cost."""

    at: float
    micros: int
    estimated: bool
    request_id: str | None
    answer: Facts


class Answers:
    """Every method may raise Unavailable, and may be repeated."""

    def __init__(self, assets: AssetStore) -> None:
        self._assets = assets

    async def keep(self, task: str, call: PaidCall, answered: Answered) -> None:
        body = json.dumps(formats.ANSWER.marked(asdict(answered)), ensure_ascii=False).encode()
        with contextlib.suppress(AssetExists):  # by an earlier try: a line has one call
            await self._assets.put(_key(task, call), body, content_type="application/json")

    async def of(self, task: str, call: PaidCall) -> Answered | None:
        """None for a call that was not answered, as far as anybody wrote down and can be read.

        Raises NewerFormat: it was answered, and nothing may be paid for it again.
        """
        try:
            data = await self._assets.get(_key(task, call))
        except AssetNotFound:
            return None
        try:
            found = json.loads(data)
            formats.ANSWER.require_known(found)
            known = {name: found[name] for name in Answered.__slots__}
            return Answered(**{**known, "micros": int(found["micros"])})
        except (ValueError, TypeError, LookupError, AttributeError):
            log.warning("a kept answer is damaged", extra={"key": _key(task, call)})
            return None

    async def keep_bytes(self, task: str, call: PaidCall, data: bytes) -> None:
        key = asset_keys.paid_bytes(task, call.step, call.number)
        with contextlib.suppress(AssetExists):
            await self._assets.put(key, data, content_type="application/octet-stream")

    async def bytes_of(self, task: str, call: PaidCall) -> bytes | None:
        try:
            return await self._assets.get(asset_keys.paid_bytes(task, call.step, call.number))
        except AssetNotFound:
            return None


def _key(task: str, call: PaidCall) -> str:
    return asset_keys.paid_fact(task, call.step, call.number, "answered")
