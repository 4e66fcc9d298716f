"""The summary's signature, as PDF readers and other libraries see it."""

import io
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from audit.packs.certificates import authority_of, chain_of
from audit.packs.document import write
from audit.packs.pdf_signature import certificates, signed_pdf, to_sign
from tests.gateway.door import in_a_thread

CUT = datetime(2026, 5, 1, 0, 0, 7, tzinfo=UTC)
KEY, AUTHORITY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))


def pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


CHAIN = chain_of(pem_of(KEY), pem_of(AUTHORITY), "msplex.example")


def signature(message: bytes, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    return key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return write('<html lang="en"><title>x</title><body><h1>A month</h1></body></html>')


@pytest.fixture(scope="module")
def signed(pdf) -> bytes:
    signing = to_sign(pdf, CHAIN, CUT)
    return signed_pdf(signing, CHAIN, signature(signing.message))


def status_of(raw: bytes, chain: str = CHAIN):
    """A revision that was added later is refused by name, instead of shown with a warning."""
    embedded = PdfFileReader(io.BytesIO(raw)).embedded_signatures[0]
    trusted = ValidationContext(trust_roots=certificates(chain)[-1:], allow_fetching=False)
    return in_a_thread(validate_pdf_signature, embedded, trusted)  # a browser's event loop may be running in this one


def test_it_is_valid_for_who_trusts_the_authority(signed):
    status = status_of(signed)

    assert (status.intact, status.valid, status.trusted, status.bottom_line) == (True, True, True, True)
    assert status.coverage.name == "ENTIRE_FILE"
    assert PdfFileReader(io.BytesIO(signed)).embedded_signatures[0].sig_object["/SubFilter"] == "/ETSI.CAdES.detached"


def test_another_authority_is_not_trusted(signed):
    assert not status_of(signed, chain_of(pem_of(KEY), pem_of(OTHER), "msplex.example")).trusted


def test_a_signature_of_another_key_is_not_valid(pdf):
    signing = to_sign(pdf, CHAIN, CUT)

    assert not status_of(signed_pdf(signing, CHAIN, signature(signing.message, OTHER))).bottom_line


def test_a_changed_document_is_not_intact(signed):
    place = signed.index(b"endstream") - 5
    changed = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]

    assert not status_of(changed).bottom_line


def test_a_revision_that_was_added_is_seen(signed):
    writer = IncrementalPdfFileWriter(io.BytesIO(signed))
    writer.root["/Lang"] = writer.root["/Lang"]
    writer.update_root()
    output = io.BytesIO()
    writer.write(output)
    status = status_of(output.getvalue())

    assert status.coverage.name != "ENTIRE_FILE"


def test_the_same_document_is_signed_to_the_same_bytes(pdf, signed):
    signing = to_sign(pdf, CHAIN, CUT)

    assert signed_pdf(signing, CHAIN, signature(signing.message)) == signed


@pytest.mark.skipif(not shutil.which("pdfsig"), reason="pdfsig (poppler-utils) is not on this machine")
def test_poppler_says_that_it_is_valid(signed, tmp_path):
    path = tmp_path / "2026-04.pdf"
    path.write_bytes(signed)
    told = subprocess.run(["pdfsig", path], capture_output=True, text=True, check=False).stdout

    assert "Signature is Valid." in told
    assert "Total document signed" in told
    assert "May 01 2026 00:00:07" in told


def test_openssl_verifies_the_signature_with_the_authority(signed, tmp_path):
    embedded = PdfFileReader(io.BytesIO(signed)).embedded_signatures[0]
    begin, first, second, rest = (int(each) for each in embedded.byte_range)
    (tmp_path / "content").write_bytes(signed[begin : begin + first] + signed[second : second + rest])
    (tmp_path / "cms").write_bytes(embedded.signed_data.copy() and embedded.sig_object["/Contents"].rstrip(b"\0"))
    (tmp_path / "ca.pem").write_text(authority_of(CHAIN))
    command = (
        "openssl cms -verify -binary -inform DER -in cms -content content -CAfile ca.pem -out /dev/null -purpose any"
    )
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
