"""Customers of the MSP. They live in tenants, which cannot write the audit log, so what changes them is here."""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.packs.domains import normal
from audit.services import record
from identity.permissions import Permission
from identity.services.authority import authorise
from identity.services.uniqueness import conflict_if_taken
from tenants.errors import Invalid, NotFound
from tenants.models import Customer, key_validator

MOST_DOMAINS = 20


@transaction.atomic
def create_customer(*, name: str, key: str, by: Actor, domains: Iterable[str] = ()) -> Customer:
    authorise(by, Permission.CUSTOMERS_CUSTOMER_MANAGE, None)
    name = name.strip()
    if not name:
        raise Invalid("Give the customer a name.", field="name", code="name_needed")
    try:
        key_validator(key)
    except ValidationError as error:
        raise Invalid(error.messages[0], field="key", code="key_invalid") from error
    with conflict_if_taken("There is a customer with this short name.", code="key_taken"):
        customer = Customer.objects.create(name=name, key=key, domains=clean_domains(domains))
    subject = ("customer", customer.pk, customer.name)
    body = {"key": key, "domains": customer.domains}
    record(EventKind.CUSTOMER_CREATED, actor=by, subject=subject, customer_id=customer.pk, body=body)
    return customer


@transaction.atomic
def set_customer_domains(customer: Customer, *, domains: Iterable[str], by: Actor) -> Customer:
    """Those of its web site and e-mail addresses. Nothing is believed because of them: they only help to suggest."""
    authorise(by, Permission.CUSTOMERS_CUSTOMER_MANAGE, None)
    found = Customer.objects.select_for_update().filter(id=customer.pk).first()
    if found is None:
        raise NotFound
    before, found.domains = found.domains, clean_domains(domains)
    if before == found.domains:
        return found
    found.save(update_fields=["domains"])
    subject, body = ("customer", found.pk, found.name), {"before": before, "after": found.domains}
    record(EventKind.CUSTOMER_CHANGED, actor=by, subject=subject, customer_id=found.pk, body=body)
    return found


def clean_domains(written: Iterable[str]) -> list[str]:
    """Each once, in lower case and ASCII, in the order in which they were written. Invalid for what is none."""
    plain = [each.strip() for each in written if each.strip()]
    names = [normal(each.removeprefix("@")) for each in plain]
    for each, name in zip(plain, names, strict=True):
        if name is None:
            message = f"{each[:80]!r} is no domain. Write them like acme.example, without http:// and paths."
            raise Invalid(message, field="domains", code="domain_invalid")
    found = list(dict.fromkeys(name for name in names if name))
    if len(found) > MOST_DOMAINS:
        raise Invalid(f"Give at most {MOST_DOMAINS} domains.", field="domains", code="too_many_domains")
    return found


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
