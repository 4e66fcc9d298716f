"""The sealer's part of a pack: it signs what it has looked at, and nothing that could be taken for anything else.

A list of files can never be read as a checkpoint, nor a checkpoint as a list of files: so one key signs both.
"""

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from asn1crypto import cms, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.db import connection, transaction

from audit.models import Checkpoint as Row
from audit.models import Epoch, PackPiece, SignatureRequest
from audit.packs import format as fmt
from audit.packs.pdf_signature import certificates
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.note import Note, NoteInvalid
from tenants.isolation.context import Context, acting_for

logger = logging.getLogger(__name__)
MOST = 50  # of one pass
LONGEST_MESSAGE = 4096
_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._-]*)")
_ATTRIBUTES = {"content_type", "message_digest", "signing_certificate_v2"}


class NotSigned(Exception):
    """The message says why not."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The newest log key, and the key of summaries with its certificates (PEM)."""

    log: Ed25519PrivateKey
    pdf: ec.EllipticCurvePrivateKey | None
    chain: str

    @classmethod
    def of_settings(cls, keys: Sequence[Ed25519PrivateKey]) -> "Signer":
        key = load_pem_private_key(settings.PDF_SIGNING_KEY.encode(), None) if settings.PDF_SIGNING_KEY else None
        if key is not None and not isinstance(key, ec.EllipticCurvePrivateKey):
            raise NotSigned("MSPLEX_PDF_SIGNING_KEY must hold a key of the curve P-256 (PKCS#8, PEM).")
        return cls(keys[-1], key, settings.PDF_CERTIFICATES)

    def once(self) -> int:
        """One pass over what waits; how many were answered."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT tenant_id, request_id FROM border.pack_signing LIMIT %s", [MOST])
            waiting = cursor.fetchall()
        for tenant, request in waiting:
            self._answer(tenant, request)
        return len(waiting)

    def _answer(self, tenant: UUID, request_id: UUID) -> None:
        with acting_for(Context(tenant)), transaction.atomic():
            request = SignatureRequest.objects.select_related("pack").filter(id=request_id).first()
            if request is not None and request.signature is None and not request.refused:
                self._fill(request)
                request.save(update_fields=["signature", "key", "refused"])
            with connection.cursor() as cursor:
                cursor.execute(
                    "DELETE FROM border.pack_signing WHERE tenant_id = %s AND request_id = %s", [tenant, request_id]
                )

    def _fill(self, request: SignatureRequest) -> None:
        try:
            message = bytes(request.message)
            if request.purpose == SignatureRequest.Purpose.SUMS:
                check_sums(request, message)
                request.signature = self.log.sign(message)
                request.key = self.log.public_key().public_bytes_raw()
            else:
                request.signature = self._signed_attributes(message)
        except NotSigned as refusal:
            logger.error("alert: pack %s is not signed: %s", request.pack_id, refusal)  # noqa: TRY400 - it says all
            request.refused = str(refusal)[:200]

    def _signed_attributes(self, message: bytes) -> bytes:
        if self.pdf is None or not self.chain:
            raise NotSigned("The sealer has no key for PDF files.")
        check_attributes(message, certificates(self.chain)[0])
        return self.pdf.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def check_sums(request: SignatureRequest, message: bytes) -> None:
    """The files of exactly this pack, and a checkpoint that is one of the log's own."""
    lines = [_LINE.fullmatch(line) for line in message.decode("ascii", "replace").splitlines()]
    sums = {line[2]: line[1] for line in lines if line}
    written = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    pack = request.pack
    wanted = {*fmt.names_of(pack.month), fmt.CHECKPOINT, fmt.KEYS, fmt.PROOF} | (
        {fmt.PREVIOUS} if pack.start else set()
    )
    if len(message) > LONGEST_MESSAGE or written != message or set(sums) != wanted:
        raise NotSigned("It is no list of the files of this pack.")
    for name, size in ((fmt.CHECKPOINT, pack.size), (fmt.PREVIOUS, pack.start)):
        if name in sums:
            _check_note(request, name, size, sums[name])


def _check_note(request: SignatureRequest, name: str, size: int, digest: str) -> None:
    pack = request.pack
    pieces = PackPiece.objects.filter(pack_id=pack.id, name=name).order_by("position").values_list("content", flat=True)
    raw = b"".join(map(bytes, pieces))
    row = Row.objects.filter(epoch=pack.epoch, size=size).first()
    epoch = Epoch.objects.filter(number=pack.epoch).first()
    if hashlib.sha256(raw).hexdigest() != digest or row is None or epoch is None:
        raise NotSigned(f"The {name} is not of this log.")
    try:
        text = Note.parse(raw).text
    except NoteInvalid as error:
        raise NotSigned(f"The {name} is damaged.") from error
    if text != str(Checkpoint(epoch.origin, size, bytes(row.root))):
        raise NotSigned(f"The {name} is not one that was signed here.")


def check_attributes(message: bytes, certificate: x509.Certificate) -> None:
    """The signed attributes of a PDF's signature under our certificate: a digest of 32 bytes, and no more."""
    try:
        attributes = cms.CMSAttributes.load(message, strict=True)
        found = {each["type"].native: each["values"] for each in attributes}
        fits = (
            len(message) <= LONGEST_MESSAGE
            and set(found) == _ATTRIBUTES
            and len(attributes) == len(_ATTRIBUTES)
            and all(len(values) == 1 for values in found.values())
            and found["content_type"][0].native == "data"
            and len(found["message_digest"][0].native) == hashlib.sha256().digest_size
            and found["signing_certificate_v2"][0]["certs"][0]["cert_hash"].native == certificate.sha256
        )
    except (ValueError, TypeError, KeyError, IndexError):
        fits = False
    if not fits:
        raise NotSigned("These are no attributes of a pack's summary.")
