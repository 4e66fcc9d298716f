from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from audit.selectors import events_about
from identity import api_keys, openapi, services  # noqa: F401 -- openapi tells drf-spectacular how callers authenticate
from identity.api_account import AccountViewSet, EventOut
from identity.api_agents import AgentSessionViewSet
from identity.api_client_keys import ClientKeys
from identity.api_invitations import InvitationViewSet
from identity.api_roles import BindingViewSet
from identity.api_step_up import SecondFactorViewSet
from identity.models import Principal, RoleBinding, ServiceAccount, User
from identity.permissions import Permission
from identity.rest import UUID_PATTERN, TenantViewSet, valid_input
from identity.selectors import SECRETS_SHOWN, bindings, members, secrets_of, service_accounts
from identity.serializers import (
    BindingIn,
    BindingOut,
    CustomerIn,
    CustomerOut,
    DomainsIn,
    MemberOut,
    RotationIn,
    SecretMade,
    SecretOut,
    ServiceAccountChange,
    ServiceAccountIn,
    ServiceAccountMade,
    ServiceAccountOut,
)
from tenants.errors import Invalid, NotFound
from tenants.models import Customer
from tenants.selectors import customers


class _PrincipalRooms(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    """What people and service accounts have in common: roles, and being disabled."""

    recent_mfa_actions = frozenset({"bind", "unbind", "disable", "enable"})

    def holder(self) -> Principal:
        found: Principal = self.get_object().principal
        return found

    @extend_schema(request=BindingIn, responses={201: BindingOut})
    @action(detail=True, methods=["post"], url_path="bindings")
    def bind(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        principal = self.holder()
        binding = services.bind_role(principal, **valid_input(BindingIn(data=request.data)), by=self.actor)
        return Response(BindingOut(binding).data, status=201)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["delete"], url_path=rf"bindings/(?P<binding>{UUID_PATTERN})")
    def unbind(self, request: Request, pk: str | None = None, binding: str = "") -> Response:  # noqa: ARG002
        services.unbind_role(_binding_of(self.holder(), binding), by=self.actor)
        return Response(status=204)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        services.disable_principal(self.holder().pk, by=self.actor)
        return Response(status=204)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        services.enable_principal(self.holder().pk, by=self.actor)
        return Response(status=204)


def _binding_of(principal: Principal, binding_id: str) -> RoleBinding:
    binding = bindings().filter(principal=principal, id=binding_id).first()
    if binding is None:
        raise NotFound
    return binding


class MemberViewSet(_PrincipalRooms):
    serializer_class = MemberOut
    required_permissions = {
        "list": Permission.IDENTITY_MEMBER_READ,
        "retrieve": Permission.IDENTITY_MEMBER_READ,
        "bind": Permission.IDENTITY_MEMBER_MANAGE,
        "unbind": Permission.IDENTITY_MEMBER_MANAGE,
        "disable": Permission.IDENTITY_MEMBER_MANAGE,
        "enable": Permission.IDENTITY_MEMBER_MANAGE,
        "events": Permission.AUDIT_EVENT_READ,
        "reset_factors": Permission.IDENTITY_MEMBER_MANAGE,
    }
    recent_mfa_actions = frozenset({"reset_factors", *_PrincipalRooms.recent_mfa_actions})

    def get_queryset(self) -> QuerySet[User]:
        return members()

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"], url_path="reset-factors", url_name="reset")
    def reset_factors(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        services.reset_factors(self.get_object(), by=self.actor)
        return Response(status=204)

    @extend_schema(responses=EventOut(many=True))
    @action(detail=True, methods=["get"])
    def events(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        """What was done to this account."""
        page = self.paginate_queryset(events_about(self.get_object().pk))
        return self.get_paginated_response(EventOut(page, many=True).data)


class ServiceAccountViewSet(_PrincipalRooms, ClientKeys):
    serializer_class = ServiceAccountOut
    required_permissions = {
        "list": Permission.IDENTITY_SERVICE_ACCOUNT_READ,
        "retrieve": Permission.IDENTITY_SERVICE_ACCOUNT_READ,
        "create": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        "bind": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        "unbind": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        "disable": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        "enable": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        "partial_update": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        "secrets": Permission.IDENTITY_SERVICE_ACCOUNT_READ,
        "rotate": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        "revoke": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        "revoke_all": Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE,
        **ClientKeys.key_permissions,
    }
    recent_mfa_actions = (
        frozenset({"create", "partial_update", "rotate", "revoke", "revoke_all"})
        | _PrincipalRooms.recent_mfa_actions
        | ClientKeys.key_changes
    )

    def get_queryset(self) -> QuerySet[ServiceAccount]:
        return service_accounts()

    @extend_schema(request=ServiceAccountIn, responses={201: ServiceAccountMade})
    def create(self, request: Request) -> Response:
        terms = valid_input(ServiceAccountIn(data=request.data))
        owner = _owner(terms.pop("owner", None) or self.actor.id)
        account, _, secret = services.create_service_account(**terms, owner=owner, by=self.actor)
        return Response(ServiceAccountMade(account, context={"secret": secret}).data, status=201)

    @extend_schema(request=ServiceAccountChange, responses=ServiceAccountOut)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        account: ServiceAccount = self.get_object()
        terms = valid_input(ServiceAccountChange(data=request.data))
        owner = _owner(terms["owner"]) if "owner" in terms else account.owner
        now = {"purpose": account.purpose, "networks": account.principal.networks.split()}
        services.amend_service_account(account, **(now | terms | {"owner": owner}), by=self.actor)
        return Response(ServiceAccountOut(self.get_object()).data)

    @extend_schema(responses=SecretOut(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def secrets(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        return Response(SecretOut(secrets_of(self.get_object())[:SECRETS_SHOWN], many=True).data)

    @extend_schema(request=RotationIn, responses={201: SecretMade})
    @secrets.mapping.post
    def rotate(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        terms = valid_input(RotationIn(data=request.data))
        overlap = timedelta(hours=terms.pop("overlap_hours"))
        made, secret = services.rotate_secret(self.get_object(), overlap=overlap, **terms, by=self.actor)
        return Response(SecretMade(made, context={"secret": secret}).data, status=201)

    @extend_schema(request=None, responses={204: None}, operation_id="service_accounts_secrets_revoke_all")
    @secrets.mapping.delete
    def revoke_all(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        services.revoke_all_secrets(self.get_object(), by=self.actor)
        return Response(status=204)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["delete"], url_path=rf"secrets/(?P<secret>{UUID_PATTERN})")
    def revoke(self, request: Request, pk: str | None = None, secret: str = "") -> Response:  # noqa: ARG002
        found = secrets_of(self.get_object()).filter(id=secret).first()
        if found is None:
            raise NotFound
        services.revoke_secret(found, by=self.actor)
        return Response(status=204)


def _owner(user_id: Any) -> User:
    owner = members().filter(id=user_id, principal__disabled_at=None).first()
    if owner is None:
        raise Invalid("The owner is a person of this workspace.", field="owner", code="owner_unknown")
    return owner


class CustomerViewSet(ListModelMixin, RetrieveModelMixin, TenantViewSet):
    serializer_class = CustomerOut
    required_permissions = {
        "list": Permission.CUSTOMERS_CUSTOMER_READ,
        "retrieve": Permission.CUSTOMERS_CUSTOMER_READ,
        "create": Permission.CUSTOMERS_CUSTOMER_MANAGE,
        "archive": Permission.CUSTOMERS_CUSTOMER_MANAGE,
        "domains": Permission.CUSTOMERS_CUSTOMER_MANAGE,
    }
    recent_mfa_actions = frozenset({"archive"})

    def get_queryset(self) -> QuerySet[Customer]:
        return customers()

    @extend_schema(request=CustomerIn, responses={201: CustomerOut})
    def create(self, request: Request) -> Response:
        customer = services.create_customer(**valid_input(CustomerIn(data=request.data)), by=self.actor)
        return Response(CustomerOut(customer).data, status=201)

    @extend_schema(request=None, responses=CustomerOut)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        return Response(CustomerOut(services.archive_customer(self.get_object(), by=self.actor)).data)

    @extend_schema(request=DomainsIn, responses=CustomerOut)
    @action(detail=True, methods=["put"])
    def domains(self, request: Request, pk: str | None = None) -> Response:  # noqa: ARG002
        customer = self.get_object()
        terms = valid_input(DomainsIn(data=request.data))
        return Response(CustomerOut(services.set_customer_domains(customer, **terms, by=self.actor)).data)


routes = [
    ("account", AccountViewSet, "account"),
    ("agents", AgentSessionViewSet, "agent"),
    ("members", MemberViewSet, "member"),
    ("invitations", InvitationViewSet, "invitation"),
    ("service-accounts", ServiceAccountViewSet, "service-account"),
    ("customers", CustomerViewSet, "customer"),
    ("bindings", BindingViewSet, "binding"),
    ("second-factor", SecondFactorViewSet, "second-factor"),
    *api_keys.routes,
]
