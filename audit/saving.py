"""Filters of the log that people keep under a name."""

from django.db import transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.models import SavedFilter
from audit.services import record
from tenants.errors import Conflict, Invalid, NotFound

NAME_LENGTH, QUERY_LENGTH, MOST = 100, 1000, 50


@transaction.atomic
def save_filter(name: str, query: str, *, shared: bool, by: Actor) -> SavedFilter:
    """Under a name that one has already, it takes the place of what was there."""
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH:
        raise Invalid("Give the filter a name of at most 100 characters.", field="name", code="name_needed")
    if not query or len(query) > QUERY_LENGTH:
        raise Invalid("Narrow the log first: there is nothing to save.", field="query", code="query_needed")
    if by.id is None:
        raise Invalid("Only somebody with an account keeps filters.")
    own = SavedFilter.objects.filter(owner_id=by.id)
    if own.exclude(name=name).count() >= MOST:
        raise Conflict(f"You have {MOST} filters already. Remove one first.", code="too_many_filters")
    values = {"query": query, "shared": shared}
    if not own.filter(name=name).update(**values):
        SavedFilter.objects.create(owner_id=by.id, owner_label=by.label[:200], name=name, **values)
    saved = own.get(name=name)
    record(EventKind.FILTER_SAVED, actor=by, subject=("saved_filter", saved.pk, name), body=values)
    return saved


@transaction.atomic
def remove_filter(saved: SavedFilter, *, by: Actor) -> None:
    """One's own; another's is not there to be removed."""
    if by.id is None or not SavedFilter.objects.filter(id=saved.pk, owner_id=by.id).delete()[0]:
        raise NotFound
    record(EventKind.FILTER_REMOVED, actor=by, subject=("saved_filter", saved.pk, saved.name))
