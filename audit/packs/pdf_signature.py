"""PAdES (B-B) over the summary, in two halves: the process that builds the pack has no key.

`to_sign()` gives the bytes that the sealer signs (ECDSA P-256, SHA-256); `signed_pdf()` puts the answer in. Both make
the same document of the same input: the time is that of the cut, and nothing is random.
"""

import asyncio
import hashlib
import io
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from asn1crypto import algos, cms, pem, x509
from pyhanko.pdf_utils.generic import ArrayObject, ByteStringObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers import ExternalSigner, PdfSignatureMetadata, PdfSigner
from pyhanko.sign.signers.pdf_byterange import PreparedByteRangeDigest
from pyhanko_certvalidator.registry import SimpleCertificateStore

from audit.packs.certificates import LONGEST_SIGNATURE

T = TypeVar("T")
FIELD = "Signature"
RESERVED = 2 * 8192  # hexadecimal digits
DIGEST = "sha256"
MECHANISM = algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"})


class _Writer(IncrementalPdfFileWriter):
    """As pyHanko's, without the time of now and without a random id."""

    def __init__(self, pdf: bytes) -> None:
        self._digest = hashlib.sha256(pdf).digest()[:16]
        super().__init__(io.BytesIO(pdf))

    def _update_meta(self) -> None:
        """The document says itself what it is and of when."""

    @classmethod
    def _handle_id(cls, prev: Any) -> ArrayObject:
        first = prev.trailer["/ID"][0]
        content = getattr(first, "original_bytes", first)
        return ArrayObject([ByteStringObject(content), ByteStringObject(hashlib.sha256(content).digest()[:16])])


@dataclass(frozen=True, slots=True)
class Signing:
    """A document with room for its signature, and what is to be signed."""

    document: bytes
    digest: PreparedByteRangeDigest
    attributes: cms.CMSAttributes

    @property
    def message(self) -> bytes:
        content: bytes = self.attributes.dump()
        return content


def certificates(chain: str) -> list[x509.Certificate]:
    """Of PEM, the signer's first."""
    return [x509.Certificate.load(der) for _, _, der in pem.unarmor(chain.encode(), multiple=True)]


def to_sign(pdf: bytes, chain: str, at: datetime) -> Signing:
    return _run(_prepare(pdf, chain, at))


async def _prepare(pdf: bytes, chain: str, at: datetime) -> Signing:
    signer = _signer(chain, None)
    about = PdfSignatureMetadata(
        field_name=FIELD, md_algorithm=DIGEST, subfilter=SigSeedSubFilter.PADES, certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES, reason="This is the audit pack's summary, as it was made.",
    )  # fmt: skip
    session = PdfSigner(
        about, signer, new_field_spec=SigFieldSpec(FIELD, readable_field_name="Signature of the audit pack")
    ).init_signing_session(_Writer(pdf))
    session.system_time = at
    document = session.prepare_tbs_document(None, RESERVED)
    digest, output = document.digest_tbs_document()
    attributes = await signer.signed_attrs(digest.document_digest, DIGEST, use_pades=True)
    return Signing(output.getvalue(), digest, attributes)  # type: ignore[attr-defined]  # it is a BytesIO


def signed_pdf(signing: Signing, chain: str, signature: bytes) -> bytes:
    """`signature` is ECDSA's, as DER."""
    signer = _signer(chain, signature)
    container = _run(signer.async_sign_prescribed_attributes(DIGEST, signing.attributes))
    output = io.BytesIO(signing.document)
    signing.digest.fill_with_cms(output, container)
    return output.getvalue()


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Nothing here waits. In a thread of its own, because the caller's may have a loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _signer(chain: str, signature: bytes | None) -> ExternalSigner:
    own, *issuers = certificates(chain)
    registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    registry.register_multiple(issuers)
    return ExternalSigner(own, registry, signature or LONGEST_SIGNATURE, MECHANISM)
