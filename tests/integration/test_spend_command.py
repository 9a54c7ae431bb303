"""`short-drama spend` on every backend, as the installed command."""

import time
from pathlib import Path
from typing import Any

import pytest

from short_drama.domain.kinds import Lane
from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from tests.integration.operator_stage import Stage, stage
from tests.unit.orchestrator.accounts.samples import a_call, a_page

__all__ = ["stage"]


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def now_call(step: str = "generate", number: int = 1, **changes: Any) -> PaidCall:
    return a_call(step, number, **{"at": time.time(), "day": today(), **changes})


async def paid(stage: Stage, *calls: PaidCall, task_id: str = "t1", **changes: Any) -> TaskSpend:
    """A cancelled task whose record tells of what is on its page."""
    page = a_page(*calls, task_id=task_id, day=today(), **changes)
    task = await stage.task(task_id, lane=Lane.CPU, labels=dict(page.labels))
    ended = task.cancel(now=time.time()).with_cost(page.cost())
    await stage.backend.store.replace(ended)
    return await stage.backend.ledger.write(page)


async def test_what_was_spent_and_what_is_left(stage: Stage) -> None:
    shown = {"show": "Night [falls]"}
    await paid(stage, now_call("detect", provider="qwen3-vl", micros=253), now_call(), labels=shown)
    await paid(stage, now_call(state=CallState.UNKNOWN), task_id="t2")
    await stage.backend.ledger.write(
        a_page(task_id="t3", held=40_000, is_open=True, day=today(), labels=shown)
    )
    stage.shell.environment["SHORT_DRAMA_BUDGET_PER_DAY_USD"] = "1"
    stage.shell.environment["SHORT_DRAMA_BUDGET_PER_LABEL_USD"] = "show=*=0.5"
    ended = await stage.shell.run("spend", "--json", "--by", "provider")
    assert ended.code == 0, ended.err
    assert ended.lines == [
        {"what": "sum", "provider": "qwen3-vl", "calls": 1, "usd": 0.000253, "maybe_usd": 0.0},
        {"what": "sum", "provider": "seedream", "calls": 2, "usd": 0.03, "maybe_usd": 0.03},
        {"what": "total", "calls": 3, "usd": 0.030253, "maybe_usd": 0.03},
        {"what": "held", "usd": 0.04, "pages": 1},
        {
            "what": "budget", "account": f"day/{today()}", "limit_usd": 1.0,
            "counted_usd": 0.100253, "left_usd": 0.899747,
        },
        {
            "what": "budget", "account": "label/show=Night [falls]", "limit_usd": 0.5,
            "counted_usd": 0.070253, "left_usd": 0.429747,
        },
    ]  # fmt: skip
    table = await stage.shell.run("spend", "show", "--by", "label:show")
    assert table.code == 0, table.err
    assert "Night [falls]" in table.out
    assert "held and reserved now: 0.040000 USD, on 1 open page" in table.out


async def test_a_correction_counts_everywhere_and_says_why(stage: Stage) -> None:
    await paid(stage, now_call(), labels={"show": "Nightfall"})
    words = ("--provider", "seedream", "--usd", "-0.01", "--reason", "credit note 2026-118")
    done = await stage.shell.run("spend", "adjust", *words, "--label", "show=Nightfall")
    assert done.code == 0, done.err
    assert "-0.010000 USD show=Nightfall: credit note 2026-118" in done.out
    shown = await stage.shell.run("spend", "--json", "--by", "label")
    (total,) = [line for line in shown.lines if line["what"] == "total"]
    assert (total["calls"], total["usd"]) == (1, 0.02)
    (told,) = [line for line in shown.lines if line["what"] == "adjustment"]
    assert (told["reason"], told["usd"]) == ("credit note 2026-118", -0.01)
    assert await stage.backend.ledger.total("label/show=Nightfall") == 20_000
    assert await stage.backend.ledger.total(f"day/{today()}") == 20_000
    agreed = await stage.shell.run("spend", "reconcile")
    assert agreed.code == 0, agreed.err


async def test_a_correction_of_another_day(stage: Stage) -> None:
    words = ("--provider", "seedream", "--usd", "0.25", "--reason", "x", "--day", "2026-01-31")
    done = await stage.shell.run("spend", "adjust", *words, "--json")
    assert done.code == 0, done.err
    assert await stage.backend.ledger.total("month/2026-01") == 250_000
    shown = await stage.shell.run("spend", "--until", "2026-01-31", "--json")
    assert shown.lines[0] == {
        "what": "sum", "day": "2026-01-31", "calls": 0, "usd": 0.25, "maybe_usd": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("amount", ["0", "nan", "1e9", "0.0000001", "a lot"])
async def test_a_correction_is_an_amount(stage: Stage, amount: str) -> None:
    words = ("--provider", "seedream", "--usd", amount, "--reason", "x")
    refused = await stage.shell.run("spend", "adjust", *words)
    assert (refused.code, refused.out) == (2, "")
    assert "--usd" in refused.err


async def test_books_that_agree_with_a_bill(stage: Stage, tmp_path: Path) -> None:
    await paid(stage, now_call(), now_call("generate", 2, state=CallState.UNKNOWN, request_id=None))
    bill = tmp_path / "bill.csv"
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    rows = ["request_id,model,amount,time", f"r-generate-1,seedream-4-0-250828,0.03,{moment}"]
    bill.write_text("\n".join(rows))
    against = ("spend", "reconcile", "--bill", str(bill), "--provider", "seedream")
    agreed = await stage.shell.run(*against, "--json")
    assert agreed.code == 0, agreed.err
    (maybe,) = agreed.lines
    assert (maybe["finding"], maybe["is_difference"]) == ("maybe: not billed", False)
    bill.write_text("\n".join([*rows, f"r-2,seedream-4-0-250828,0.03,{moment}"]))
    agreed = await stage.shell.run(*against)
    assert agreed.code == 0, agreed.err
    assert "maybe: billed" in agreed.out
    assert "the bill: 2 lines, 0.060000 USD" in agreed.out


async def test_every_difference_has_a_name(stage: Stage, tmp_path: Path) -> None:
    page = await paid(stage, now_call("detect", micros=253), now_call())
    await stage.backend.ledger.write(a_page(page.calls[1], task_id="t1", version=page.version))
    bill = tmp_path / "bill.csv"
    bill.write_text("id;usd\nr-generate-1;0,035\n")
    found = await stage.shell.run(
        "spend", "reconcile", "--bill", str(bill), "--provider", "seedream",
        "--column", "request_id=id", "--json",
    )  # fmt: skip
    assert found.code == 1
    assert "2 differences" in found.err
    gone, otherwise = found.lines
    assert (gone["finding"], gone["step"], gone["record_usd"]) == ("no line", "detect", 0.000253)
    assert gone["request_id"] == "r-detect-1"
    told = (otherwise["finding"], otherwise["ledger_usd"], otherwise["bill_usd"])
    assert told == ("billed otherwise", 0.03, 0.035)
    assert (otherwise["task_id"], otherwise["number"]) == ("t1", 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--by", "colour"), "label:NAME"),
        (("--by", "day:x"), "label:NAME"),
        (("--since", "yesterday"), "--since"),
        (("reconcile", "--provider", "seedream"), "together"),
        (("adjust", "--provider", "seedream", "--usd", "1", "--reason", " "), "--reason"),
        (
            ("adjust", "--provider", "x", "--usd", "1", "--reason", "x", "--day", "2999-01-01"),
            "2999-01-01",
        ),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    stage: Stage, words: tuple[str, ...], said: str
) -> None:
    refused = await stage.shell.run("spend", *words)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err
