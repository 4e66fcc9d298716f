"""Pages of what only grows: from an id on, in the order of time, however many rows there are."""

from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import QueryDict

Row = TypeVar("Row", bound=Model)
PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Stretch(Generic[Row]):
    """Newest first. `older` and `newer` are the query strings of the pages beside it, or empty."""

    rows: list[Row]
    older: str
    newer: str


def stretch(rows: QuerySet[Row], query: QueryDict) -> Stretch[Row]:
    """One row more than a page is read, so that no count is needed."""
    before, after = _id(query, "before"), _id(query, "after")
    if after:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: PAGE_ROWS + 1])
        more_newer, more_older = len(found) > PAGE_ROWS, True
        found = found[:PAGE_ROWS][::-1]
    else:
        found = list((rows.filter(pk__lt=before) if before else rows)[: PAGE_ROWS + 1])
        more_newer, more_older = before is not None, len(found) > PAGE_ROWS
        found = found[:PAGE_ROWS]
    return Stretch(
        found,
        older=_link(query, "before", found[-1].pk) if found and more_older else "",
        newer=_link(query, "after", found[0].pk) if found and more_newer else "",
    )


def _id(query: QueryDict, name: str) -> UUID | None:
    try:
        return UUID(query.get(name, ""))
    except ValueError:
        return None


def _link(query: QueryDict, name: str, pk: UUID) -> str:
    kept = query.copy()
    for cursor in ("before", "after"):
        kept.pop(cursor, None)
    kept[name] = str(pk)
    return kept.urlencode()
