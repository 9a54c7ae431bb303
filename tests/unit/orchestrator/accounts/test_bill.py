"""Bills as providers and spreadsheets write them."""

import contextlib
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.errors import InvalidRequest
from short_drama.orchestrator.accounts.bill import BillLine, read_bill
from tests.unit.orchestrator.accounts.samples import NOON


def read(folder: Path, text: str, zone: str = "UTC", **columns: str) -> list[BillLine]:
    file = folder / "bill.csv"
    file.write_text(text, "utf-8")
    return read_bill(file, ZoneInfo(zone), columns)


def test_a_plain_bill(tmp_path: Path) -> None:
    text = "request_id,model,amount,time\nr-1,seedream-4-0,0.03,2026-11-26T12:00:00Z\n"
    assert read(tmp_path, text) == [
        BillLine(number=2, request_id="r-1", micros=Decimal(30_000), model="seedream-4-0", at=NOON)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffRequest ID;Model Name;Cost;Timestamp\r\nr-1;m;$0.03;2026-11-26 12:00:00\r\n",
        "RequestId\tAmount (USD)\tTime\nr-1\t 0.03 USD\t1795694400\n",
        'time,"request id",COST\n1795694400000,"r-1","0.0300"\n\n,,\n',
        "request-id;amount;time\nr-1;0,030;2026/11/26 12:00\n",
        "trace_id,usd,when\nr-1,3E-2,\n",
    ],
)
def test_whatever_it_looks_like(tmp_path: Path, text: str) -> None:
    columns = {"amount": "Amount (USD)"} if "Amount (USD)" in text else {}
    (line,) = read(tmp_path, text, **columns)
    assert (line.request_id, line.micros) == ("r-1", Decimal(30_000))
    assert line.at in (NOON, None)


def test_a_time_without_a_zone_is_in_ours(tmp_path: Path) -> None:
    (line,) = read(tmp_path, "request_id,cost,date\nr,1,2026-11-26 20:00\n", "Asia/Shanghai")
    assert line.at == NOON


def test_amounts_are_exact(tmp_path: Path) -> None:
    lines = read(tmp_path, "request_id,cost\nr,0.0006804\n,-1.5\n")
    assert [line.micros for line in lines] == [Decimal("680.4"), Decimal(-1_500_000)]
    assert lines[1].request_id is None


@pytest.mark.parametrize(
    ("written", "micros"),
    [("1,234.50", 1_234_500_000), ("12,5", 12_500_000), ("-0,03", -30_000), ("0,12345", 123_450)],
)
def test_commas_mean_what_they_must(tmp_path: Path, written: str, micros: int) -> None:
    (line,) = read(tmp_path, f'request_id,cost\nr,"{written}"\n')
    assert line.micros == micros


@pytest.mark.parametrize("amount", ["", "1,234", "n/a", "NaN", "Infinity", "0.03 CNY", "1.2.3"])
def test_an_amount_that_says_nothing_is_refused_by_its_line(tmp_path: Path, amount: str) -> None:
    with pytest.raises(InvalidRequest, match="line 3"):
        read(tmp_path, f'request_id,cost\nr,1\nr,"{amount}"\n')


def test_a_time_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="'soon'"):
        read(tmp_path, "request_id,cost,time\nr,1,soon\n")


@pytest.mark.parametrize(
    ("text", "columns", "named"),
    [
        ("a,cost\nr,1\n", {}, "request_id=HEADER"),
        ("request_id,b\nr,1\n", {}, "amount=HEADER"),
        ("request_id,cost\nr,1\n", {"time": "when"}, "time=HEADER"),
        ("", {}, "request_id=HEADER"),
    ],
)
def test_a_column_that_is_missing_can_be_named(
    tmp_path: Path, text: str, columns: dict[str, str], named: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(tmp_path, text, **columns)
    assert named in (refused.value.fix or "")


def test_a_file_that_is_no_bill_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bill.csv"
    with pytest.raises(InvalidRequest, match="No such file"):
        read_bill(file, UTC, {})
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidRequest, match=r"bill\.csv"):
        read_bill(file, UTC, {})


@given(text=st.text(alphabet='r,;\t"\n0123.-$e \0', max_size=60))
def test_nothing_else_ever_comes_of_it(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    with contextlib.suppress(InvalidRequest):
        read(tmp_path_factory.getbasetemp(), f"request_id,cost,time\n{text}")
