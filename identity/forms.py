"""Portal input. Forms check shape; the rules are in the services."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone

from identity.assertions import LONGEST_KEY
from identity.models import ServiceAccount, User
from identity.models.service_accounts import LONGEST_LIFETIME
from identity.permissions import Permission
from identity.principals import ActingPrincipal, Grant
from identity.roles import ROLES, Role
from identity.selectors import members
from identity.services.secrets import DEFAULT_LIFETIME, DEFAULT_OVERLAP
from tenants.models import Customer
from tenants.selectors import customers

LONGEST_PASSWORD = 128
LIFETIMES = [(30, "30 days"), (DEFAULT_LIFETIME.days, "90 days"), (LONGEST_LIFETIME.days - 1, "1 year")]

OVERLAPS = [(0, "Not at all"), (1, "1 hour"), (24, "24 hours"), (72, "3 days"), (168, "7 days")]


class Networks(forms.CharField):
    """Ranges of addresses, apart by spaces or lines; the service says which is none."""

    def __init__(self) -> None:
        super().__init__(
            label="May come from",
            max_length=800,
            required=False,
            help_text="Address ranges, such as 203.0.113.0/24, apart by spaces. None: from anywhere.",
            widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
        )

    def clean(self, value: Any) -> list[str]:
        return str(super().clean(value)).split()


class SignInForm(forms.Form):
    workspace = forms.CharField(max_length=63, widget=forms.TextInput({"autocomplete": "organization"}))
    email = forms.EmailField(label="E-mail", max_length=254, widget=forms.EmailInput({"autocomplete": "username"}))
    password = forms.CharField(
        max_length=1024, strip=False, widget=forms.PasswordInput({"autocomplete": "current-password"})
    )


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=40,
        help_text="Six digits from your authenticator app, or one of your recovery codes.",
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True}),
    )


class NewPasswordForm(forms.Form):
    """Twice, so that nobody is locked out by a slip. The rules are the services' to apply."""

    password = forms.CharField(
        label="New password",
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text="At least 12 characters, not a common password, and not like your name or e-mail address.",
    )
    again = forms.CharField(
        label="The same again",
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("password") and given.get("again") and given["password"] != given["again"]:
            self.add_error("again", "This is not the same as the password above.")
        return given


class WelcomeForm(NewPasswordForm):
    name = forms.CharField(label="Your name", max_length=200, widget=forms.TextInput({"autocomplete": "name"}))

    field_order = ("name", "password", "again")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].label = "Password"

    def answer(self) -> dict[str, str]:
        return {"name": self.cleaned_data["name"], "password": self.cleaned_data["password"]}


class OwnPasswordForm(NewPasswordForm):
    current = forms.CharField(
        label="Current password",
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )

    field_order = ("current", "password", "again")


class OwnEmailForm(forms.Form):
    email = forms.EmailField(label="New e-mail", max_length=254, widget=forms.EmailInput({"autocomplete": "email"}))
    current = forms.CharField(
        label="Current password",
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )


class OwnNameForm(forms.Form):
    name = forms.CharField(label="Your name", max_length=200, widget=forms.TextInput({"autocomplete": "name"}))


class ForgottenForm(forms.Form):
    workspace = forms.CharField(max_length=63, widget=forms.TextInput({"autocomplete": "organization"}))
    email = forms.EmailField(label="E-mail", max_length=254, widget=forms.EmailInput({"autocomplete": "username"}))


def _roles(principal: ActingPrincipal, permission: Permission) -> list[tuple[str, str]]:
    """Those that `principal` could give, somewhere."""
    places: list[UUID | None] = [None] if principal.allows_everywhere(permission) else []
    places += [grant.customer_id for grant in principal.grants if grant.customer_id]
    return [
        (role.value, f"{definition.label}: {definition.description}")
        for role, definition in ROLES.items()
        if any(principal.covers(Grant(role, place)) for place in places)
    ]


class _RoleForm(forms.Form):
    permission: Permission
    role = forms.ChoiceField()

    def __init__(self, *args: Any, principal: ActingPrincipal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = _roles(principal, self.permission)  # type: ignore[attr-defined]

    def clean_role(self) -> Role:
        return Role(self.cleaned_data["role"])


def active_customers() -> Any:
    return customers().filter(status=Customer.Status.ACTIVE)


class InvitationForm(_RoleForm):
    permission = Permission.IDENTITY_MEMBER_MANAGE

    email = forms.EmailField(label="E-mail", max_length=254, widget=forms.EmailInput({"autocomplete": "off"}))
    customer = forms.ModelChoiceField(
        Customer.objects,
        required=False,
        empty_label="The whole workspace",
        help_text="Customer roles are always for one customer.",
    )
    reason = forms.CharField(
        max_length=500,
        required=False,
        help_text="Why they get this role. They read it in the invitation, others beside the role.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )

    field_order = ("email", "role", "customer", "reason")

    def __init__(self, *args: Any, principal: ActingPrincipal, **kwargs: Any) -> None:
        super().__init__(*args, principal=principal, **kwargs)
        self.fields["customer"].queryset = active_customers()  # type: ignore[attr-defined]
        if principal.scope() is not None:
            self.fields["customer"].required = True
            self.fields["customer"].empty_label = "Choose one"  # type: ignore[attr-defined]


class ServiceAccountForm(_RoleForm):
    permission = Permission.IDENTITY_SERVICE_ACCOUNT_MANAGE

    name = forms.CharField(max_length=200, widget=forms.TextInput({"autocomplete": "off"}))
    purpose = forms.CharField(max_length=500, help_text="What it does, for whoever finds it in a year.")
    networks = Networks()
    owner = forms.ModelChoiceField(User.objects, help_text="Who answers for it.")
    customers = forms.ModelMultipleChoiceField(
        Customer.objects, required=False, help_text="None: it reaches the whole workspace."
    )
    lifetime = forms.TypedChoiceField(
        label="The secret is valid for", choices=LIFETIMES, coerce=int, initial=DEFAULT_LIFETIME.days
    )

    field_order = ("name", "purpose", "role", "customers", "owner", "lifetime", "networks")

    def __init__(self, *args: Any, principal: ActingPrincipal, **kwargs: Any) -> None:
        super().__init__(*args, principal=principal, **kwargs)
        self.fields["owner"].queryset = members().filter(principal__disabled_at=None)  # type: ignore[attr-defined]
        self.fields["customers"].queryset = active_customers()  # type: ignore[attr-defined]
        self.initial.setdefault("owner", principal.id)

    def terms(self) -> dict[str, Any]:
        """What create_service_account takes, without `by`."""
        terms = dict(self.cleaned_data)
        terms["expires_at"] = timezone.now() + timedelta(days=terms.pop("lifetime"))
        return terms


class AmendForm(forms.Form):
    """Of a service account that is there."""

    purpose = forms.CharField(max_length=500)
    owner = forms.ModelChoiceField(User.objects, help_text="Who answers for it.")
    networks = Networks()

    def __init__(self, *args: Any, account: ServiceAccount, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = members().filter(principal__disabled_at=None)  # type: ignore[attr-defined]
        self.initial = {"purpose": account.purpose, "owner": account.owner_id, "networks": account.principal.networks}


class RotateForm(forms.Form):
    replaces = forms.CharField(required=False, max_length=16, widget=forms.HiddenInput)
    overlap = forms.TypedChoiceField(
        label="The present secret stays good for",
        choices=OVERLAPS,
        coerce=int,
        initial=DEFAULT_OVERLAP.days * 24,
        help_text="Until then both work. After that, using the old one locks the account.",
    )
    lifetime = forms.TypedChoiceField(
        label="The new secret is valid for", choices=LIFETIMES, coerce=int, initial=DEFAULT_LIFETIME.days
    )

    def terms(self) -> dict[str, Any]:
        """What rotate_secret takes, without `by`."""
        return {
            "overlap": timedelta(hours=self.cleaned_data["overlap"]),
            "expires_at": timezone.now() + timedelta(days=self.cleaned_data["lifetime"]),
            "replaces": self.cleaned_data["replaces"],
        }


class ClientKeyForm(forms.Form):
    public_key = forms.CharField(
        label="Public key",
        max_length=LONGEST_KEY,
        help_text="Ed25519 or ECDSA P-256, as PEM or as a JWK. The private half stays where the automation runs.",
        widget=forms.Textarea({"rows": 5, "autocomplete": "off", "spellcheck": "false"}),
    )
    lifetime = forms.TypedChoiceField(
        label="The key is valid for", choices=LIFETIMES, coerce=int, initial=DEFAULT_LIFETIME.days
    )

    def terms(self) -> dict[str, Any]:
        """What add_key takes, without `by`."""
        ends = timezone.now() + timedelta(days=self.cleaned_data["lifetime"])
        return {"public_key": self.cleaned_data["public_key"], "expires_at": ends}
