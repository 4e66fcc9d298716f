"""What the audit log can be narrowed by. Each is an index; an id that is unknown, or out of sight, fits nothing."""

from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

import django_filters as filters
from django import forms
from django.core.validators import MinValueValidator
from django.db.models import Q, QuerySet
from django.http import QueryDict

from approvals.selectors import with_nonce
from audit import selectors
from audit.alerts import HEADLINES, AlertKind, Severity
from audit.families import LABELS, Family
from audit.kinds import EventKind
from audit.models import Alert, Event
from connectors.models import ConnectorInstance
from connectors.selectors import instances
from identity.models import AgentSession, Principal
from msplex.portal.event_words import words_of
from msplex.portal.filters import SEARCH, Narrowing, customers_to_choose

RESULTS = (("ok", "Done"), ("failed", "Failed"), ("refused", "Refused"))
NAMED = 100  # who fits a name: more than that are not told apart
_FIRST = MinValueValidator(datetime(1970, 1, 2, tzinfo=UTC), "There is nothing from before 1970.")
_MOMENT = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")
FAMILIES = sorted(((family.value, LABELS[family]) for family in Family), key=lambda choice: choice[1])
SEVERITIES = [(severity.value, severity.value.capitalize()) for severity in Severity]
ALERTS = sorted(((kind.value, HEADLINES[kind]) for kind in AlertKind), key=lambda choice: choice[1])
KINDS = sorted(((kind.value, words_of(kind)) for kind in EventKind), key=lambda choice: choice[1])


class EventFilter(filters.FilterSet):  # type: ignore[misc]  # the package has no types
    since = filters.IsoDateTimeFilter(method="by_start", label="From", validators=[_FIRST])
    until = filters.IsoDateTimeFilter(method="by_end", label="Before", validators=[_FIRST])
    family = filters.ChoiceFilter(choices=FAMILIES, method="by_family", label="Family", empty_label="Any")
    kind = filters.ChoiceFilter(choices=KINDS, label="Event", empty_label="Any")
    result = filters.ChoiceFilter(choices=RESULTS, label="Result", empty_label="Any")
    who = filters.CharFilter(method="by_name", label="Part of the actor's name")
    actor = filters.UUIDFilter(method="by_actor", label="One actor, also through agents")
    customer = filters.UUIDFilter(field_name="customer_id", label="One customer")
    instance = filters.UUIDFilter(field_name="instance_id", label="One connection")
    tool = filters.CharFilter(label="Tool, by its whole name", max_length=128)
    request = filters.CharFilter(field_name="request_id", label="Request id", max_length=64)
    call = filters.UUIDFilter(field_name="call_id", label="One tool call")
    subject = filters.UUIDFilter(field_name="subject_id", label="One thing that it was done to")

    nonce = filters.CharFilter(method="by_nonce", label="Nonce of an approval", max_length=32)

    class Meta:
        model = Event
        fields: tuple[str, ...] = ()

    def by_start(self, rows: QuerySet[Event], name: str, value: datetime) -> QuerySet[Event]:  # noqa: ARG002
        return selectors.since(rows, value)

    def by_end(self, rows: QuerySet[Event], name: str, value: datetime) -> QuerySet[Event]:  # noqa: ARG002
        return selectors.before(rows, value)

    def by_family(self, rows: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:  # noqa: ARG002
        return selectors.of_family(rows, Family(value))

    def by_actor(self, rows: QuerySet[Event], name: str, value: UUID) -> QuerySet[Event]:  # noqa: ARG002
        agents = AgentSession.objects.filter(user_id=value).order_by("-id").values_list("id", flat=True)
        return rows.filter(actor_id__in=[value, *agents[:NAMED]])

    def by_nonce(self, rows: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:  # noqa: ARG002
        """What was done to the request that has it, and to the grant that was issued for it."""
        return rows.filter(subject_id__in=with_nonce(value))

    def by_name(self, rows: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:  # noqa: ARG002
        return rows.filter(actor_id__in=actors_named(value))


def actors_named(text: str) -> list[UUID]:
    """Accounts with it in their name, and agents of people with it in theirs, or in the agent's own."""
    accounts = Principal.objects.filter(label__icontains=text).order_by("id").values_list("id", flat=True)
    agents = AgentSession.objects.filter(Q(user__email__icontains=text) | Q(application__name__icontains=text))
    return [*accounts[:NAMED], *agents.order_by("-id").values_list("id", flat=True)[:NAMED]]


def narrowing_of(query: QueryDict) -> str:
    """What of a query string narrows the log: the rest, such as where a page begins, is left out."""
    given = {name: query[name] for name in EventFilter.base_filters if query.get(name)}
    return urlencode(given)


class AuditFilter(Narrowing, EventFilter):
    """That of the API, for people to choose from."""

    since = filters.DateTimeFilter(method="by_start", label="From (UTC)", widget=_MOMENT, validators=[_FIRST])
    until = filters.DateTimeFilter(method="by_end", label="Before (UTC)", widget=_MOMENT, validators=[_FIRST])
    who = filters.CharFilter(method="by_name", label="Who", widget=SEARCH)
    customer = filters.ModelChoiceFilter(queryset=customers_to_choose, label="Customer", empty_label="Any")
    instance = filters.ModelChoiceFilter(
        queryset=lambda _: instances(), method="by_instance", label="Connection", empty_label="Any"
    )
    tool = filters.CharFilter(label="Tool", max_length=128, widget=SEARCH)
    request = filters.CharFilter(field_name="request_id", label="Request id", max_length=64, widget=SEARCH)
    actor = filters.UUIDFilter(method="by_actor", label="One actor", widget=forms.HiddenInput)
    call = filters.UUIDFilter(field_name="call_id", label="One call", widget=forms.HiddenInput)
    subject = filters.UUIDFilter(field_name="subject_id", label="One thing", widget=forms.HiddenInput)
    nonce = filters.CharFilter(method="by_nonce", label="Nonce", max_length=32, widget=forms.HiddenInput)

    def by_instance(self, rows: QuerySet[Event], name: str, value: ConnectorInstance) -> QuerySet[Event]:  # noqa: ARG002
        return rows.filter(instance_id=value.pk)


class AlertApiFilter(filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = filters.ChoiceFilter(choices=Alert.State.choices, label="State", empty_label="Any")
    severity = filters.ChoiceFilter(choices=SEVERITIES, label="Severity", empty_label="Any")
    kind = filters.ChoiceFilter(choices=ALERTS, label="Alert", empty_label="Any")
    customer = filters.UUIDFilter(field_name="customer_id", label="One customer")

    class Meta:
        model = Alert
        fields: tuple[str, ...] = ()


class AlertFilter(Narrowing, AlertApiFilter):
    customer = filters.ModelChoiceFilter(queryset=customers_to_choose, label="Customer", empty_label="Any")
