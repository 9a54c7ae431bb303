"""A provider's bill, as a CSV file with a line for each call.

Providers name their columns as they like and change them, so common names are known, and any other
can be given. Blanks, a currency sign and thousands separators in an amount are no fault.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import Path

from short_drama.domain.errors import InvalidRequest

REQUEST_ID, MODEL, AMOUNT, TIME = "request_id", "model", "amount", "time"
NAMES: Mapping[str, tuple[str, ...]] = {
    REQUEST_ID: ("request_id", "request", "req_id", "trace_id", "call_id", "instance_id"),
    MODEL: ("model", "model_name", "model_id", "configuration", "product"),
    AMOUNT: ("amount", "amount_usd", "usd", "cost", "cost_usd", "total", "price", "payable_amount"),
    TIME: ("time", "timestamp", "date", "created_at", "start_time", "bill_time", "usage_time"),
}
"""Of each column, in the order of preference; case, blanks and signs do not matter."""
REQUIRED = (REQUEST_ID, AMOUNT)
_MILLISECONDS = 100_000_000_000
"""A number of seconds that is larger would be after the year 5000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    number: int
    """Of the line in the file, from 1."""
    request_id: str | None
    micros: Decimal
    """Of a US dollar; bills have more places than we count."""
    model: str = ""
    at: float | None = None


def read_bill(path: Path, zone: tzinfo, columns: Mapping[str, str]) -> list[BillLine]:
    """Its lines; `columns` names some of them, and times without a zone are in `zone`.

    Raises InvalidRequest that names the line or the column.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path}: {error}", field="--bill") from None
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        return list(_lines(reader, _columns(reader.fieldnames or [], columns), zone))
    except csv.Error as error:
        raise InvalidRequest(f"{path}: line {reader.line_num}: {error}", field="--bill") from None


def _columns(there: Iterable[str], given: Mapping[str, str]) -> Mapping[str, str]:
    """The header of each of our columns."""
    headers = {_plain(header): header for header in there}
    found: dict[str, str] = {}
    for column, names in NAMES.items():
        wanted = [given[column]] if column in given else names
        known = [headers[_plain(name)] for name in wanted if _plain(name) in headers]
        if known:
            found[column] = known[0]
        elif column in REQUIRED or column in given:
            raise InvalidRequest(
                f"the bill has no column {wanted[0]!r} among: {', '.join(headers.values())}",
                field="--column",
                fix=f"Name it: --column {column}=HEADER.",
            )
    return found


def _plain(header: str) -> str:
    return re.sub(r"\W|_", "", header).lower()


def _lines(
    rows: "csv.DictReader[str]", columns: Mapping[str, str], zone: tzinfo
) -> Iterator[BillLine]:
    for row in rows:
        told = {column: (row[header] or "").strip() for column, header in columns.items()}
        if not any(told.values()):
            continue
        try:
            yield BillLine(
                number=rows.line_num,
                request_id=told[REQUEST_ID] or None,
                micros=_usd(told[AMOUNT]) * 1_000_000,
                model=told.get(MODEL, ""),
                at=_moment(told.get(TIME, ""), zone),
            )
        except (ValueError, InvalidOperation, OverflowError):
            raise InvalidRequest(
                f"line {rows.line_num} of the bill has an amount or a time that cannot be read: "
                f"{told[AMOUNT]!r}, {told.get(TIME, '')!r}",
                field="--bill",
            ) from None


def _usd(text: str) -> Decimal:
    """Thousands are read where cents follow; a comma before exactly three digits, and nothing
    after, says two things and is refused."""
    plain = re.sub(r"[\s$]|USD", "", text)
    if re.fullmatch(r"-?[1-9]\d{0,2}(,\d{3})+\.\d+", plain):
        plain = plain.replace(",", "")
    elif re.fullmatch(r"-?(0,\d+|\d+,(?!\d{3}$)\d+)", plain):
        plain = plain.replace(",", ".")
    amount = Decimal(plain)
    if not amount.is_finite():
        raise InvalidOperation
    return amount


def _moment(text: str, zone: tzinfo) -> float | None:
    if not text:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
        return seconds / 1000 if seconds > _MILLISECONDS else seconds
    moment = datetime.fromisoformat(text.replace("/", "-"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
