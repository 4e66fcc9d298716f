"""django-guardian's view of customer bindings: rows that say which person may do what for which customer.

A binding that ends by itself changes nothing here at that moment: identity.backends asks the bindings as well, and a
sweep takes the rows away within a minute.
"""

from collections.abc import Iterable
from uuid import UUID

from django.contrib.auth.models import Permission as AuthPermission
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from identity.models import CustomerPermission, RoleBinding, User
from identity.principals import Grant
from identity.roles import Role
from identity.selectors import active_bindings

Row = tuple[UUID, UUID, str]  # user, customer, permission


def wanted(bindings: Iterable[RoleBinding], users: set[UUID]) -> set[Row]:
    return {
        (binding.principal_id, binding.customer_id, permission.value)
        for binding in bindings
        if binding.customer_id and binding.principal_id in users
        for permission in Grant(Role(binding.role), binding.customer_id).permissions
    }


def _present(users: set[UUID]) -> dict[Row, UUID]:
    rows = CustomerPermission.objects.filter(user_id__in=users)
    return {
        (user, customer, codename): row
        for row, user, customer, codename in rows.values_list(
            "id", "user_id", "content_object_id", "permission__codename"
        )
    }


def differences(users: set[UUID] | None = None) -> tuple[set[Row], dict[Row, UUID]]:
    """What is missing, and what is there and should not be (with the ids of its rows)."""
    if users is None:
        users = set(User.objects.values_list("id", flat=True))
    expected = wanted(active_bindings().filter(principal_id__in=users, customer__isnull=False), users)
    present = _present(users)
    return expected - present.keys(), {row: present[row] for row in present.keys() - expected}


@transaction.atomic
def project(principal_id: UUID) -> None:
    """Make the rows of one principal what its bindings say. Called in the transaction that changed them."""
    _one_at_a_time(principal_id)
    users = set(User.objects.filter(id=principal_id).values_list("id", flat=True))
    missing, surplus = differences(users)
    CustomerPermission.objects.filter(id__in=surplus.values()).delete()
    codenames = {codename for *_, codename in missing}
    permissions = {
        permission.codename: permission
        for permission in AuthPermission.objects.filter(
            content_type__app_label="tenants", content_type__model="customer", codename__in=codenames
        )
    }
    CustomerPermission.objects.bulk_create(
        CustomerPermission(user_id=user, content_object_id=customer, permission=permissions[codename])
        for user, customer, codename in sorted(missing)
    )


def forget_ended_roles() -> None:
    """Delete what bindings that have ended left behind. By the worker, which may delete these rows and add none."""
    with transaction.atomic():
        rows = CustomerPermission.objects.filter(user_id=OuterRef("principal_id"), content_object=OuterRef("customer"))
        ended = RoleBinding.objects.filter(Exists(rows), expires_at__lte=timezone.now())
        principals = set(ended.values_list("principal_id", flat=True))
    for principal_id in principals:
        with transaction.atomic():
            _one_at_a_time(principal_id)
            _, surplus = differences({principal_id})
            CustomerPermission.objects.filter(id__in=surplus.values()).delete()


def _one_at_a_time(principal_id: UUID) -> None:
    """Until the end of the transaction. The sweep must not take what a binding that is being made counts on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s::text, 0))", [f"identity.projection:{principal_id}"]
        )
