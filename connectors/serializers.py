from collections.abc import Iterable
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from connectors.breaker import Breaker
from connectors.checks import history
from connectors.contract import Connector, OwnCredentials
from connectors.custody import Keys, Standing, number_to_change, standing
from connectors.lifecycle import Lifecycle, Listed, State, lifecycle
from connectors.models import ConnectorInstance, Credential, CustomerMapping, Pause, Signal, SignalPull, ToolCall
from connectors.own_state import OwnState, Way
from connectors.own_state import Standing as OwnStanding
from connectors.readiness import Readiness, readiness
from connectors.selectors import Offer, standings
from identity.api_fields import Text
from tenants.models import Customer, key_validator
from tenants.selectors import customers


@extend_schema_field(serializers.UUIDField())
class _OfCustomer(serializers.PrimaryKeyRelatedField[Customer]):
    """A customer in scope; any other id is as unknown as one that does not exist."""

    def get_queryset(self) -> Any:
        return customers()


class ToolOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    risk = serializers.CharField()
    tier = serializers.CharField()
    narrowing = serializers.CharField()
    input_schema = serializers.JSONField()
    output_schema = serializers.JSONField()


class OfferOut(serializers.Serializer[Any]):
    """A connector of the catalogue and whether the tenant may use it."""

    key = serializers.CharField(source="connector.key")
    name = serializers.CharField(source="connector.name")
    vendor = serializers.CharField(source="connector.vendor")
    summary = serializers.CharField(source="connector.summary")
    entitled = serializers.BooleanField()
    own_credentials = serializers.ChoiceField(
        source="connector.own_credentials", choices=[each.value for each in OwnCredentials],
        help_text="Whether a customer can have a credential that reaches its client alone.",
    )  # fmt: skip
    settings = serializers.SerializerMethodField(help_text="Names of the settings to give when configuring.")
    secret = serializers.SerializerMethodField(help_text="Names of the secret fields to give when configuring.")
    tools = ToolOut(source="connector.tools", many=True)

    def get_settings(self, offer: Offer) -> list[str]:
        return [name for name in offer.connector.settings_form.base_fields if not _is_secret(offer.connector, name)]

    def get_secret(self, offer: Offer) -> list[str]:
        return list(offer.connector.secret_fields)


def _is_secret(connector: Connector, name: str) -> bool:
    return name in connector.secret_fields


class KeysOut(serializers.Serializer[Any]):
    """The storage key of now, and how many of the tenant's credentials are under it."""

    since = serializers.DateTimeField(source="active.created_at", default=None)
    replaced_by = serializers.DateTimeField(source="active.not_after", default=None)
    suite = serializers.CharField(source="active.suite", default="")
    reason = serializers.CharField(source="active.reason", default="")
    change_by = serializers.DateTimeField(source="emergency.deadline", default=None, allow_null=True)
    to_change = serializers.SerializerMethodField(help_text="How many are to be changed at their vendors.")
    done = serializers.IntegerField()
    left = serializers.IntegerField()
    unreadable = serializers.IntegerField()

    def get_to_change(self, keys: Keys) -> int:
        return number_to_change(keys)


class KeptCredentialOut(serializers.Serializer[Any]):
    """One connection's credential: whose, how old, under which key. Never anything of it."""

    id = serializers.UUIDField()
    instance = serializers.UUIDField(source="instance_id")
    name = serializers.CharField(source="instance.name")
    connector = serializers.CharField(source="instance.connector")
    customer = serializers.UUIDField(source="customer_id", allow_null=True, help_text="Whose own it is; null: for all.")
    customer_name = serializers.CharField(source="customer.name", default=None, allow_null=True)
    version = serializers.IntegerField()
    owner = serializers.CharField(source="created_by")
    stored_at = serializers.DateTimeField(source="created_at")
    kept = serializers.SerializerMethodField(help_text="unused, moved, waiting or unreadable.")
    change_by = serializers.SerializerMethodField(help_text="Until when it is to be changed at the vendor.")
    changed = serializers.SerializerMethodField(help_text="It was replaced after the last emergency.")

    def _standing(self, credential: Credential) -> Standing:
        return standing(credential, self.context["keys"], self.context["now"])

    def get_kept(self, credential: Credential) -> str:
        return self._standing(credential).kept.value

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_change_by(self, credential: Credential) -> Any:
        return self._standing(credential).change_by

    def get_changed(self, credential: Credential) -> bool:
        return self._standing(credential).changed


class CredentialOut(serializers.Serializer[Any]):
    """All that is ever told of a credential."""

    present = serializers.BooleanField()
    version = serializers.IntegerField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)
    fingerprint = serializers.CharField(help_text="Of what was sealed, to compare with the log; not of the secret.")
    expires_on = serializers.DateField(allow_null=True, help_text="Its last day, if somebody has said so.")


class LifecycleOut(serializers.Serializer[Lifecycle]):
    """Where it stands, what is next, and what may be done: the same as on its page and at the gateway."""

    state = serializers.ChoiceField(choices=[state.value for state in State])
    reason = serializers.CharField(help_text="Which of several, where a state has several; else empty.")
    word = serializers.CharField()
    next = serializers.CharField(help_text="What to do now.")
    listed = serializers.ChoiceField(choices=[each.value for each in Listed], help_text="Which of its tools exist.")
    actions = serializers.SerializerMethodField(help_text="What would not be refused.")

    def get_actions(self, found: Lifecycle) -> list[str]:
        return sorted(action.value for action in found.actions)


class ReadinessOut(serializers.Serializer[Readiness]):
    ready = serializers.BooleanField()
    entitled = serializers.BooleanField()
    configured = serializers.BooleanField()
    healthy = serializers.BooleanField()
    active = serializers.BooleanField()
    missing = serializers.ListField(child=serializers.CharField())


class SliceOut(serializers.Serializer[Any]):
    began = serializers.DateTimeField()
    checks = serializers.IntegerField()
    failed = serializers.IntegerField()
    milliseconds = serializers.IntegerField(help_text="The longest check of it.")


class HistoryOut(serializers.Serializer[Any]):
    """Of the last day."""

    checks = serializers.IntegerField()
    failed = serializers.IntegerField()
    median_milliseconds = serializers.IntegerField(allow_null=True)
    longest_milliseconds = serializers.IntegerField(allow_null=True)
    slices = SliceOut(many=True, help_text="Of the same length, oldest first.")


class PauseOut(serializers.ModelSerializer[Pause]):
    call = serializers.UUIDField(source="call_id")

    class Meta:
        model = Pause
        fields = ("id", "why", "call", "tool", "created_at")


class SignalOut(serializers.ModelSerializer[Signal]):
    """What a vendor says of a customer, as of `seen_at`. Its title was written by outside parties: it is data."""

    kind = serializers.CharField()
    severity = serializers.CharField()
    state = serializers.CharField()
    customer = serializers.UUIDField(source="customer_id")
    instance = serializers.UUIDField(source="instance_id")  # type: ignore[assignment]  # DRF's own name for another thing
    count = serializers.IntegerField(allow_null=True, help_text="Of what is a number, such as devices, and no event.")

    class Meta:
        model = Signal
        fields = (
            "id", "customer", "instance", "kind", "severity", "state", "external_id", "title", "count",
            "opened_at", "due_at", "seen_at", "resolved_at",
        )  # fmt: skip


class PullOut(serializers.ModelSerializer[SignalPull]):
    """When a connection was last asked for signals. `code`: why nothing came."""

    instance = serializers.UUIDField(source="instance_id")  # type: ignore[assignment]
    unmapped = serializers.SerializerMethodField(
        help_text="Of clients who are no customer's here; not kept. Null for those who do not see every customer."
    )

    class Meta:
        model = SignalPull
        fields = ("instance", "pulled_at", "ok_at", "code", "kept", "unmapped")

    def get_unmapped(self, pull: SignalPull) -> int | None:
        return pull.unmapped if self.context["whole_tenant"] else None


class ResumeIn(serializers.Serializer[Any]):
    through = serializers.UUIDField(help_text="The newest pause that was looked at.")
    reason = serializers.CharField(max_length=1000, help_text="What was found at the vendor.")


class InstanceOut(serializers.ModelSerializer[ConnectorInstance]):
    settings = serializers.SerializerMethodField(help_text="Null for those who may not manage connections.")
    credential = serializers.SerializerMethodField()
    lifecycle = serializers.SerializerMethodField()
    readiness = serializers.SerializerMethodField(help_text="What its state follows from.")
    paused = serializers.SerializerMethodField(help_text="Its risky tools wait until a person has looked.")
    pauses = serializers.SerializerMethodField(
        help_text="Newest first: one for each call whose outcome is unknown, and one for each tool that is suspended,"
        " because the vendor mixed customers in its answers. Null for those who may not manage it."
    )

    held_back_seconds = serializers.SerializerMethodField(
        help_text="How long calls are held back after failures of the vendor in a row. Null in lists."
    )
    checks = serializers.SerializerMethodField(help_text="How its health checks went lately. Null in lists.")

    class Meta:
        model = ConnectorInstance
        fields = (
            "id", "connector", "slug", "name", "state", "settings", "credential", "lifecycle", "readiness", "paused",
            "pauses", "held_back_seconds", "checks",
            "own_credentials_only", "configured_at", "activated_at", "retired_at", "health", "health_code",
            "health_detail", "health_checked_at", "check_asked_at",
        )  # fmt: skip

    def get_settings(self, instance: ConnectorInstance) -> dict[str, Any] | None:
        return instance.settings if self.context["manages"] else None

    def get_held_back_seconds(self, instance: ConnectorInstance) -> int | None:
        if getattr(self, "parent", None):  # in a list, one question to Redis for each would be many
            return None
        newest = _newest(instance)
        return Breaker(str(newest.id)).seconds_left() if newest else 0

    @extend_schema_field(HistoryOut(allow_null=True))
    def get_checks(self, instance: ConnectorInstance) -> Any:
        if getattr(self, "parent", None):
            return None
        return HistoryOut(history(instance, self.context["now"])).data

    def get_paused(self, instance: ConnectorInstance) -> bool:
        return any(pause.why == Pause.Why.OUTCOME_UNKNOWN for pause in instance.pauses.all())

    @extend_schema_field(PauseOut(many=True, allow_null=True))
    def get_pauses(self, instance: ConnectorInstance) -> Any:
        return PauseOut(instance.pauses.all(), many=True).data if self.context["manages"] else None

    @extend_schema_field(CredentialOut)
    def get_credential(self, instance: ConnectorInstance) -> Any:
        newest = _newest(instance)
        if newest is None or instance.state == ConnectorInstance.State.RETIRED:
            nothing = dict.fromkeys(("version", "updated_at", "expires_on"))
            return CredentialOut({"present": False, "fingerprint": "", **nothing}).data
        told = {name: getattr(newest, name) for name in ("version", "fingerprint", "expires_on")}
        return CredentialOut({"present": True, "updated_at": newest.created_at, **told}).data

    @extend_schema_field(LifecycleOut)
    def get_lifecycle(self, instance: ConnectorInstance) -> Any:
        return LifecycleOut(self._lifecycle(instance)).data

    def _lifecycle(self, instance: ConnectorInstance) -> Lifecycle:
        return lifecycle(
            instance,
            entitlement=self.context["entitlements"].get(instance.connector),
            paused=bool(instance.pauses.all()),
            credential=_newest(instance),
            now=self.context["now"],
        )

    @extend_schema_field(ReadinessOut)
    def get_readiness(self, instance: ConnectorInstance) -> Any:
        entitlement = self.context["entitlements"].get(instance.connector)
        told = ReadinessOut(readiness(instance, entitlement, self.context["now"])).data
        return told | {"ready": self._lifecycle(instance).listed is not Listed.NONE}


def _newest(instance: ConnectorInstance) -> Credential | None:
    """The current one, of those that were read with the connection."""
    return max(instance.credentials.all(), key=lambda credential: credential.version, default=None)


class InstanceIn(serializers.Serializer[Any]):
    connector = Text(max_length=64)
    name = Text(max_length=200, required=False, allow_blank=True, default="")
    slug = Text(max_length=63, required=False, allow_blank=True, default="", validators=[key_validator])


class ConfigurationIn(serializers.Serializer[Any]):
    """`secret` may be left empty when the stored one is to stay."""

    settings = serializers.DictField(child=Text(max_length=500, allow_blank=True))
    secret = serializers.DictField(
        child=Text(max_length=4000, trim_whitespace=False),
        required=False,
        default=dict,
        write_only=True,
    )
    expires_on = serializers.DateField(
        required=False, allow_null=True, help_text="The credential's last day at the vendor. Left out, it stays."
    )


class OwnCredentialIn(serializers.Serializer[Any]):
    secret = serializers.DictField(child=Text(max_length=4000, trim_whitespace=False), write_only=True)
    expires_on = serializers.DateField(
        required=False, allow_null=True, help_text="Its last day at the vendor. Left out or null: no end is known."
    )


class OwnCredentialsOnlyIn(serializers.Serializer[Any]):
    only = serializers.BooleanField(help_text="Whether a customer without a credential of its own is not reached.")


class OwnCredentialOut(serializers.Serializer[OwnStanding]):
    """All that is ever told of a customer's own credential. Null: it has none."""

    way = serializers.ChoiceField(
        choices=[way.value for way in Way],
        help_text="own: with its own and no other. shared: with the connection's. none: not at all.",
    )
    state = serializers.ChoiceField(
        choices=[state.value for state in OwnState], allow_null=True, help_text="Only with in_order are calls made."
    )
    version = serializers.IntegerField(source="owned.credential.version", default=None, allow_null=True)
    updated_at = serializers.DateTimeField(source="owned.credential.created_at", default=None, allow_null=True)
    fingerprint = serializers.CharField(source="owned.credential.fingerprint", default="")
    expires_on = serializers.DateField(source="owned.credential.expires_on", default=None, allow_null=True)
    checked_at = serializers.DateTimeField(source="owned.own.health_checked_at", default=None, allow_null=True)
    code = serializers.CharField(source="owned.own.health_code", default="", help_text="What the last check has said.")


class MappingIn(serializers.Serializer[Any]):
    customer = _OfCustomer()
    external_id = Text(max_length=64)
    external_name = Text(max_length=200, required=False, allow_blank=True, default="")


class MappingOut(serializers.ModelSerializer[CustomerMapping]):
    customer = serializers.UUIDField(source="customer_id")
    customer_name = serializers.CharField(source="customer.name")
    credential = serializers.SerializerMethodField(help_text="With whose credential this customer is reached.")

    class Meta:
        model = CustomerMapping
        fields = ("id", "customer", "customer_name", "external_id", "external_name", "created_at", "credential")

    @extend_schema_field(OwnCredentialOut)
    def get_credential(self, mapping: CustomerMapping) -> Any:
        return OwnCredentialOut(self.context["standings"][mapping.pk]).data


def mappings_out(instance: ConnectorInstance, found: Iterable[CustomerMapping]) -> Any:
    """Of one connection, with as many questions for many as for one."""
    listed = list(found)
    return MappingOut(listed, many=True, context={"standings": standings(instance, listed, timezone.now())}).data


class ToolCallOut(serializers.ModelSerializer[ToolCall]):
    customer = serializers.UUIDField(source="customer_id", allow_null=True)
    customer_name = serializers.CharField(source="customer.name", allow_null=True, default=None)
    instance = serializers.UUIDField(source="instance_id", allow_null=True)  # type: ignore[assignment]
    rows_dropped = serializers.SerializerMethodField(
        help_text="Withheld, being of other customers. Null for those who do not see every customer."
    )

    class Meta:
        model = ToolCall
        fields = (
            "id", "request_id", "principal_id", "principal_kind", "principal_label", "customer", "customer_name",
            "instance", "connector", "tool", "arguments", "state", "gate", "code", "verdicts", "created_at",
            "started_at", "finished_at", "rows_returned", "rows_dropped", "vendor_requests",
        )  # fmt: skip

    def get_rows_dropped(self, call: ToolCall) -> int | None:
        return call.rows_dropped if self.context["whole_tenant"] else None
