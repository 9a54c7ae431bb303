"""What is stored of a result beside its bytes."""

from short_drama.domain.outcome import Outcome
from short_drama.domain.sizes import Size
from short_drama.jobs.results import publish_once
from tests.protocol.memory import MemoryAssets

KEY = "images/x.png"


async def stored(assets: MemoryAssets, data: bytes) -> Outcome:
    facts = {"kind": "face-mask"}
    found = await publish_once(
        assets, KEY, data, content_type="image/png", size=Size(8, 6), metadata=facts
    )
    return found.outcome({"seed": 1}, engine_seconds=2.0)


async def test_the_asset_and_the_record_tell_the_size() -> None:
    assets = MemoryAssets()
    outcome = await stored(assets, b"12345")
    assert (await assets.head(KEY)).metadata == {"kind": "face-mask", "width": "8", "height": "6"}
    assert outcome == Outcome(
        result_key=KEY,
        result={"width": 8, "height": 6, "bytes": 5},
        details={"seed": 1},
        engine_seconds=2.0,
    )


async def test_what_is_stored_already_stays() -> None:
    assets = MemoryAssets()
    assert await stored(assets, b"12345") == await stored(assets, b"54321")
    assert await assets.get(KEY) == b"12345"
