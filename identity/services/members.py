"""People of the tenant, and of its customers."""

import dataclasses

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.models import Principal, User
from identity.permissions import Permission
from identity.principals import PrincipalKind
from identity.roles import Role
from identity.services.authority import authorise, authorise_grant
from identity.services.bindings import add_binding, check_grant
from identity.services.projection import project
from identity.services.seats import take_seat
from identity.services.uniqueness import conflict_if_taken
from tenants.errors import Invalid
from tenants.models import Customer

LONGEST_EMAIL = 200  # as long as the label of a principal


def normal_email(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Invalid("Enter an e-mail address.", field="email", code="email_invalid") from error
    if len(email) > LONGEST_EMAIL:
        message = f"Enter an e-mail address of at most {LONGEST_EMAIL} characters."
        raise Invalid(message, field="email", code="email_invalid")
    return email


def check_password(password: str, user: User) -> None:
    """Invalid when it is too short, too common or too like the person's own name and address."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password", code="password_weak") from error


@dataclasses.dataclass(frozen=True, slots=True)
class NewMember:
    email: str
    name: str
    role: Role
    customer: Customer | None
    password: str = dataclasses.field(repr=False)
    reason: str = ""


@transaction.atomic
def create_member(
    *, email: str, name: str, role: Role, customer: Customer | None = None, password: str, by: Actor
) -> User:
    """A person with one role. With a customer, the person belongs to it and its managers manage the account.

    For provisioning: people ask each other in by invitation, and nobody knows another's password.
    """
    grant = check_grant(role, customer)
    authorise(by, Permission.IDENTITY_MEMBER_MANAGE, grant.customer_id)
    authorise_grant(by, grant)
    take_seat()
    return add_member(NewMember(normal_email(email), name, role, customer, password), by=by)


@transaction.atomic
def add_member(new: NewMember, *, by: Actor) -> User:
    """The person, without asking whether `by` may: create_member and accept_invitation have asked."""
    customer_id = new.customer.pk if new.customer else None
    name = new.name.strip() or new.email
    with conflict_if_taken("Someone with this e-mail address is already here.", code="email_taken"):
        user = _add_user(email=new.email, name=name, customer=new.customer, password=new.password)
    record(
        EventKind.MEMBER_CREATED,
        actor=by,
        subject=("user", user.pk, new.email),
        customer_id=customer_id,
        body={"email": new.email, "name": user.name, "role": new.role.value},
    )
    add_binding(user.principal, new.role, new.customer, by=by, reason=new.reason)
    project(user.pk)
    return user


def _add_user(*, email: str, name: str, customer: Customer | None, password: str) -> User:
    user = User(email=email, name=name, customer=customer)
    check_password(password, user)
    principal = Principal.objects.create(kind=PrincipalKind.USER.value, label=email, customer=customer)
    user.id = principal.pk
    user.principal = principal
    user.set_password(password)
    user.save(force_insert=True)
    return user
