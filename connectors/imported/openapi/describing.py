"""A description that a person gives as text, where none can be fetched: an internal API, or one behind a login."""

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor
from connectors.catalogue import find
from connectors.errors import MESSAGES, ExecutionError
from connectors.imported.discovery import can_be_asked, note
from connectors.imported.openapi.client import described
from connectors.lifecycle import Action
from connectors.models import ConnectorInstance, Discovery
from connectors.selectors import lifecycle_of
from tenants.errors import Conflict, Invalid

MOST_CHARACTERS = 900_000


@transaction.atomic
def describe(instance: ConnectorInstance, written: str, *, by: Actor) -> Discovery:
    """What it says is offered from now on. The text is not kept; each operation of it is, by itself."""
    entry = find(instance.connector)
    if entry is None or not entry.described_at or can_be_asked(instance):
        raise Conflict("What this connection offers is looked up, and not given as text.", code="not_describable")
    lifecycle_of(instance, timezone.now()).require(Action.CHECK)
    if len(written) > MOST_CHARACTERS:
        raise Invalid(MESSAGES["description_too_large"], field="description", code="description_too_large")
    try:
        listed = described(written.encode(errors="replace"), instance.settings)
    except ExecutionError as error:
        raise Invalid(MESSAGES[error.code], field="description", code=error.code) from None
    return note(instance, listed, by=by)
