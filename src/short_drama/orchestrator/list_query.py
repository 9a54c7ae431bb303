"""What lists of tasks may be narrowed to, and how they are paged."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from short_drama.domain.errors import InvalidRequest, ScopeMissing
from short_drama.domain.kinds import Catalogue
from short_drama.domain.principal import Principal, Scope
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import Order, TaskFilter


def _seconds(given: object) -> object:
    """Of a date and time; anything else stays, for pydantic to take or refuse as a number."""
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError:
        return given
    if str(given).isdigit():  # a date without dashes, or rather seconds
        return given
    if moment.tzinfo is None:
        raise PydanticCustomError("moment", "has no time zone: end it with Z or +08:00")
    return moment.timestamp()


Label = Annotated[str, Field(pattern=r"^[^\s:=]+[:=]")]
Moment = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False), BeforeValidator(_seconds)]
EVERYBODY = "*"
_MOST = 20
"""As many labels as a task can have."""


class FilterQuery(BaseModel):
    """What a list may be narrowed to."""

    status: Annotated[list[TaskStatus], Query(description="Any of these.")] = []
    kind: Annotated[list[str], Query(description="Any of these.")] = []
    label: Annotated[
        list[Label], Query(max_length=_MOST, description="key:value; all of these.")
    ] = []
    created_after: Annotated[
        Moment | None, Query(description="Then or later: Unix seconds, or a date and time.")
    ] = None
    created_before: Annotated[Moment | None, Query(description="Earlier than then.")] = None
    owner: Annotated[
        str | None,
        Query(max_length=40, description="Whose, for operators: a name, or * for everybody's."),
    ] = None
    text: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=200,
            description="In the id, a prompt or a label (key:value); A to Z as a to z.",
        ),
    ] = None
    derived_from: Annotated[
        str | None, Query(max_length=80, description="A task whose result they work on.")
    ] = None
    deleted: Annotated[bool, Query(description="Those that are deleted, instead of others.")] = (
        False
    )

    def where(self, catalogue: Catalogue, principal: Principal) -> TaskFilter:
        """Raises InvalidRequest for a kind there is not, and ScopeMissing for another owner."""
        owner = owner_for(self.owner, principal)
        for kind in self.kind:
            if kind not in catalogue:
                raise InvalidRequest(
                    f"kind: there is no kind {kind[:80]!r}",
                    field="kind",
                    fix=f"The kinds are: {', '.join(catalogue)}.",
                )
        labels = (label.replace("=", ":", 1).partition(":") for label in self.label)
        return TaskFilter(
            owner=None if owner == EVERYBODY else owner,
            statuses=frozenset(self.status),
            kinds=frozenset(self.kind),
            labels=[(key, value) for key, _, value in labels],
            created_after=self.created_after,
            created_before=self.created_before,
            text=self.text,
            derived_from=self.derived_from,
            is_deleted=self.deleted,
        )


class ListQuery(FilterQuery):
    """A page of what matches."""

    sort: Annotated[
        Order, Query(description="`shot`: only tasks with a label shot, in the order of shots.")
    ] = Order.NEWEST
    cursor: Annotated[str | None, Query(max_length=4000)] = None
    limit: Annotated[int, Query(ge=1, le=200)] = 50

    def require_order(self) -> None:
        """Raises InvalidRequest for what has no shot order."""
        if self.sort is Order.SHOT and (self.owner == EVERYBODY or self.deleted):
            field = "deleted" if self.deleted else "owner"
            raise InvalidRequest(
                f"{field}: only one owner's tasks, and none that are deleted, are in shot order",
                field=field,
                fix="Leave it out, or sort by newest or oldest.",
            )


def owner_for(named: str | None, principal: Principal) -> str:
    """Whose things are asked for. Raises ScopeMissing for another's."""
    owner = principal.owner if named is None else named
    if not principal.sees(owner):
        raise ScopeMissing(
            f"this needs a key with the scope {Scope.OPERATE}",
            field="owner",
            fix="Leave owner out: your own are listed.",
        )
    return owner
