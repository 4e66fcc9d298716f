"""Customers of the MSP. They live in tenants, which cannot write the audit log, so what changes them is here."""

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.permissions import Permission
from identity.services.authority import authorise
from identity.services.uniqueness import conflict_if_taken
from tenants.errors import Invalid, NotFound
from tenants.models import Customer, key_validator


@transaction.atomic
def create_customer(*, name: str, key: str, by: Actor) -> Customer:
    authorise(by, Permission.CUSTOMERS_CUSTOMER_MANAGE, None)
    name = name.strip()
    if not name:
        raise Invalid("Give the customer a name.", field="name", code="name_needed")
    try:
        key_validator(key)
    except ValidationError as error:
        raise Invalid(error.messages[0], field="key", code="key_invalid") from error
    with conflict_if_taken("There is a customer with this short name.", code="key_taken"):
        customer = Customer.objects.create(name=name, key=key)
    subject = ("customer", customer.pk, customer.name)
    record(EventKind.CUSTOMER_CREATED, actor=by, subject=subject, customer_id=customer.pk, body={"key": key})
    return customer


@transaction.atomic
def archive_customer(customer: Customer, *, by: Actor) -> Customer:
    authorise(by, Permission.CUSTOMERS_CUSTOMER_MANAGE, None)
    found = Customer.objects.select_for_update().filter(id=customer.pk).first()
    if found is None:
        raise NotFound
    if found.status == Customer.Status.ARCHIVED:
        return found
    found.status = Customer.Status.ARCHIVED
    found.save(update_fields=["status"])
    subject = ("customer", found.pk, found.name)
    record(EventKind.CUSTOMER_ARCHIVED, actor=by, subject=subject, customer_id=found.pk)
    return found
