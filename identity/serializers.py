from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from identity.api_fields import Text
from identity.models import Invitation, RoleBinding, ServiceAccount, ServiceAccountSecret, User
from identity.roles import ROLES, Role
from tenants.models import Customer, key_validator
from tenants.selectors import customers

ROLE_CHOICES = [(role.value, definition.label) for role, definition in ROLES.items()]


@extend_schema_field(OpenApiTypes.UUID)
class OfCustomer(serializers.PrimaryKeyRelatedField[Customer]):
    """A customer in scope; any other id is as unknown as one that does not exist."""

    def get_queryset(self) -> Any:
        return customers()


class BindingOut(serializers.ModelSerializer[RoleBinding]):
    customer = serializers.UUIDField(source="customer_id", allow_null=True)
    customer_name = serializers.CharField(source="customer.name", allow_null=True, default=None)

    class Meta:
        model = RoleBinding
        fields = ("id", "role", "customer", "customer_name", "reason", "created_at", "created_by", "expires_at")


class BindingIn(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=ROLE_CHOICES)
    customer = OfCustomer(allow_null=True, required=False, default=None)
    reason = Text(max_length=500, required=False, allow_blank=True, default="")
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)

    def validate_role(self, value: str) -> Role:
        return Role(value)


class MemberOut(serializers.ModelSerializer[User]):
    disabled_at = serializers.DateTimeField(source="principal.disabled_at", allow_null=True)
    customer = serializers.UUIDField(source="customer_id", allow_null=True)
    bindings = BindingOut(source="principal.bindings", many=True)

    class Meta:
        model = User
        fields = ("id", "email", "name", "customer", "disabled_at", "bindings")


class InvitationOut(serializers.ModelSerializer[Invitation]):
    customer = serializers.UUIDField(source="customer_id", allow_null=True)
    member = serializers.UUIDField(source="member_id", allow_null=True, help_text="Who came.")
    invited_by = serializers.CharField(source="inviter_label")
    state = serializers.ChoiceField(choices=["pending", "expired", "accepted", "withdrawn"])
    email_state = serializers.CharField(source="mail.state", help_text="queued, sent or failed")
    email_problem = serializers.CharField(source="mail.problem", help_text="Why the message was not sent.")

    class Meta:
        model = Invitation
        fields = (
            "id", "email", "role", "customer", "reason", "invited_by", "state", "email_state", "email_problem",
            "created_at", "expires_at", "accepted_at", "withdrawn_at", "member",
        )  # fmt: skip


class InvitationIn(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=ROLE_CHOICES)
    customer = OfCustomer(allow_null=True, required=False, default=None)
    reason = Text(max_length=500, required=False, allow_blank=True, default="")

    def validate_role(self, value: str) -> Role:
        return Role(value)


class SecretOut(serializers.ModelSerializer[ServiceAccountSecret]):
    """Never the secret itself. `state`: current, previous (good until the overlap ends), retired or revoked."""

    state = serializers.CharField()

    class Meta:
        model = ServiceAccountSecret
        fields = (
            "id", "prefix", "state", "created_at", "created_by", "expires_at", "superseded_at", "revoked_at",
            "last_used_at", "last_used_address",
        )  # fmt: skip


class SecretMade(SecretOut):
    client_secret = serializers.SerializerMethodField(help_text="Shown in this answer and never again.")

    class Meta(SecretOut.Meta):
        fields = (*SecretOut.Meta.fields, "client_secret")  # type: ignore[assignment]

    def get_client_secret(self, secret: ServiceAccountSecret) -> str:  # noqa: ARG002
        return str(self.context["secret"])


class RotationIn(serializers.Serializer[Any]):
    overlap_hours = serializers.IntegerField(min_value=0, max_value=7 * 24, default=24)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    replaces = Text(
        max_length=16, default="", allow_blank=True, help_text="The current secret's prefix; refused if it is another."
    )


class ServiceAccountOut(serializers.ModelSerializer[ServiceAccount]):
    owner = serializers.UUIDField(source="owner_id")
    owner_active = serializers.SerializerMethodField(help_text="False: it gets no new secret until it has another.")
    networks = serializers.SerializerMethodField(help_text="Ranges it may come from; none: any.")
    disabled_at = serializers.DateTimeField(source="principal.disabled_at", allow_null=True)
    bindings = BindingOut(source="principal.bindings", many=True)

    class Meta:
        model = ServiceAccount
        fields = (
            "id", "name", "purpose", "owner", "owner_active", "client_id", "networks", "token_seconds", "created_at",
            "expires_at", "last_used_at", "last_used_address", "locked_at", "disabled_at", "bindings",
        )  # fmt: skip

    def get_owner_active(self, account: ServiceAccount) -> bool:
        return not account.owner.principal.is_disabled

    def get_networks(self, account: ServiceAccount) -> list[str]:
        networks: str = account.principal.networks
        return networks.split()


class ServiceAccountMade(ServiceAccountOut):
    client_secret = serializers.SerializerMethodField(help_text="Shown in this answer and never again.")

    class Meta(ServiceAccountOut.Meta):
        fields = (*ServiceAccountOut.Meta.fields, "client_secret")  # type: ignore[assignment]

    def get_client_secret(self, account: ServiceAccount) -> str:  # noqa: ARG002
        return str(self.context["secret"])


class ServiceAccountIn(serializers.Serializer[Any]):
    name = Text(max_length=200)
    purpose = Text(max_length=500)
    networks = serializers.ListField(child=Text(max_length=50), max_length=16, default=list)
    owner = serializers.UUIDField(required=False, help_text="A member's id; by default whoever asks.")
    role = serializers.ChoiceField(choices=ROLE_CHOICES)
    customers = OfCustomer(many=True, required=False, default=list)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)

    def validate_role(self, value: str) -> Role:
        return Role(value)


class ServiceAccountChange(serializers.Serializer[Any]):
    purpose = Text(max_length=500, required=False)
    owner = serializers.UUIDField(required=False)
    networks = serializers.ListField(child=Text(max_length=50), max_length=16, required=False)


class CustomerOut(serializers.ModelSerializer[Customer]):
    domains = serializers.ListField(
        child=serializers.CharField(), help_text="Of its web site and e-mail addresses: for suggestions of mappings."
    )

    class Meta:
        model = Customer
        fields = ("id", "name", "key", "status", "domains", "created_at")


class DomainsIn(serializers.Serializer[Any]):
    """All of them: what is not named is removed."""

    domains = serializers.ListField(child=Text(max_length=253), max_length=20)


class CustomerIn(serializers.Serializer[Any]):
    name = Text(max_length=200)
    key = Text(max_length=63, validators=[key_validator])
    domains = serializers.ListField(child=Text(max_length=253), max_length=20, required=False, default=list)
