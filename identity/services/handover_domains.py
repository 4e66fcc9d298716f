"""Whether a domain is the tenant's own: a file on it says the token that only the tenant was shown.

Here, above the log, because this is where documents of strangers are fetched under guard.
"""

import ssl
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.actors import system
from audit.kinds import EventKind
from audit.models import HandoverDomain
from audit.services import record
from identity.oauth.documents import fetch_document
from identity.oauth.errors import DocumentRefused
from identity.tasks import check_handover_domain
from tenants.network import Network

HTTPS = 443
PATH = "/.well-known/msplex-handover.json"
CHECKER = system("check of handover domains")
CHECK_EVERY = timedelta(hours=20)


def proof_address(domain: HandoverDomain) -> str:
    return f"https://{domain.name}{PATH}"


def ask_for_check(domain: HandoverDomain) -> None:
    check_handover_domain.delay_on_commit(domain_id=str(domain.pk))


def check_domain(
    pk: UUID, *, networks: tuple[Network, ...] = (), trust: ssl.SSLContext | None = None, port: int = HTTPS
) -> bool:
    """Fetch the proof, with no transaction open, and write down what it says. False: it is not there."""
    with transaction.atomic():
        domain = HandoverDomain.objects.filter(pk=pk).first()
    if domain is None:
        return False
    host = domain.name if port == HTTPS else f"{domain.name}:{port}"
    try:
        said = fetch_document(f"https://{host}{PATH}", networks=networks, trust=trust)
        tokens = said.get("tokens") if isinstance(said, dict) else None
        problem = "" if isinstance(tokens, list) and domain.token in tokens else "The file does not have the token."
    except DocumentRefused as error:
        problem = f"The file could not be read: {error}"[:200]
    return _written(domain, problem)


@transaction.atomic
def _written(domain: HandoverDomain, problem: str) -> bool:
    now = datetime.now(UTC)
    was = domain.verified_at
    domain.checked_at, domain.problem, domain.verified_at = now, problem, None if problem else was or now
    domain.save(update_fields=["checked_at", "problem", "verified_at"])
    if bool(was) != (domain.verified_at is not None):
        kind = EventKind.HANDOVER_DOMAIN_LOST if problem else EventKind.HANDOVER_DOMAIN_VERIFIED
        result = "failed" if problem else "ok"
        record(kind, actor=CHECKER, subject=("handover_domain", domain.pk, domain.name), result=result)
    return not problem


def domains_to_check(now: datetime) -> list[UUID]:
    """Verified ones, again every day: a domain changes hands."""
    with transaction.atomic():
        due = HandoverDomain.objects.filter(verified_at__isnull=False, checked_at__lt=now - CHECK_EVERY)
        return list(due.values_list("pk", flat=True))
