"""How an adopted credential is kept: written, signed, checked and opened. In the broker."""

import dataclasses
import hashlib
from datetime import datetime
from uuid import UUID

from connectors.keyring import KeyMissing, Purpose, ring
from connectors.models import AdoptedSecret, Credential
from connectors.sealing import Place, SealBroken, Sealed, unseal
from connectors.signing import is_signed, sign
from connectors.suites import KeyUnusable, UnwrappingKey
from tenants.isolation.context import acting_tenant


@dataclasses.dataclass(frozen=True, slots=True)
class Whose:
    """The credential that a row is of, as its own row says."""

    tenant: UUID
    instance: UUID
    credential: UUID
    version: int
    digest: str
    customer: UUID | None

    @classmethod
    def of(cls, credential: Credential) -> "Whose":
        return cls(
            credential.tenant_id, credential.instance_id, credential.id, credential.version, credential.digest,
            credential.customer_id,
        )  # fmt: skip

    @property
    def place(self) -> Place:
        return Place(self.tenant, self.credential, self.version, self.customer)

    def signs(self, row: AdoptedSecret) -> AdoptedSecret:
        row.signature = sign("adopted", *_parts(self, row))
        return row


def trouble_with(row: AdoptedSecret, whose: Whose) -> str:
    """Why the row may not be used; empty if it may. It is exactly what the broker has signed, for this credential."""
    if {row.tenant_id, whose.tenant} != {acting_tenant()} or row.credential_id != whose.credential:
        return "other_tenant"
    if not is_signed(bytes(row.signature), "adopted", *_parts(whose, row)):
        return "not_signed"
    return row.unreadable


def unwrapping_key(row: AdoptedSecret) -> UnwrappingKey:
    """KeyMissing if the ring does not have it."""
    key = ring().key(row.kek_id, Purpose.STORAGE)
    if key.suite != row.suite:
        raise KeyMissing(row.kek_id)
    return key


def opened(row: AdoptedSecret, whose: Whose) -> bytes:
    """The plain text. SealBroken if it does not open, KeyMissing if its key is gone."""
    return unseal(sealed_of(row), key=unwrapping_key(row), place=whose.place)


def sealed_of(row: AdoptedSecret) -> Sealed:
    return Sealed(payload=bytes(row.payload), wrapped_key=bytes(row.wrapped_key))


def _parts(whose: Whose, row: AdoptedSecret) -> tuple[bytes, ...]:
    return (
        *whose.place.parts(),
        whose.instance.bytes,
        whose.digest.encode(),
        row.suite.encode(),
        row.kek_id.encode(),
        str(row.rev).encode(),
        hashlib.sha256(row.payload).digest(),
        hashlib.sha256(row.wrapped_key).digest(),
        _moment(row.data_key_at),
    )


def _moment(at: datetime) -> bytes:
    return str(round(at.timestamp() * 1_000_000)).encode()


UNREADABLE: tuple[type[Exception], ...] = (SealBroken, KeyMissing, KeyUnusable)
