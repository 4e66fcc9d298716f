"""The installation's own two-level certificate authority for the summaries of packs.

A reader that trusts the authority's certificate (given to the client once, by hand) says of a summary who signed it.
The authority's key is needed only to make a signer's certificate, and no process is given it.
"""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CURVE = ec.SECP256R1()
YEARS_OF_AUTHORITY, YEARS_OF_SIGNER = 20, 10
LONGEST_SIGNATURE = 72  # of ECDSA over P-256, as DER
_EMAIL_PROTECTION = ExtendedKeyUsageOID.EMAIL_PROTECTION
_DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336


def authority_certificate(key: ec.EllipticCurvePrivateKey, installation: str, now: datetime) -> x509.Certificate:
    name = _name(f"MSPlex of {installation}")
    return (
        _builder(name, name, key.public_key(), now, YEARS_OF_AUTHORITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def signer_certificate(
    public: ec.EllipticCurvePublicKey, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.Certificate:
    name = _name("Audit packs", of=authority.subject)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return (
        _builder(name, authority.subject, public, now, YEARS_OF_SIGNER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_DOCUMENT_SIGNING, _EMAIL_PROTECTION]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )


def chain_of(signing_key: str, authority_key: str, installation: str) -> str:
    """PEM, the signer's certificate first, for two private keys in PEM."""
    signing, authority = (_private(text) for text in (signing_key, authority_key))
    now = datetime.now(UTC).replace(microsecond=0)
    root = authority_certificate(authority, installation, now)
    own = signer_certificate(signing.public_key(), root, authority, now)
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in (own, root))


def authority_of(chain: str) -> str:
    """The last certificate of a chain: what a client imports."""
    return x509.load_pem_x509_certificates(chain.encode())[-1].public_bytes(Encoding.PEM).decode()


def fingerprint_of(chain: str) -> str:
    """SHA-256 of the authority's certificate, in pairs, as readers show it."""
    return x509.load_pem_x509_certificates(chain.encode())[-1].fingerprint(hashes.SHA256()).hex(":").upper()


def _private(text: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(text.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("A key for signing PDF files is one of the curve P-256.")  # noqa: TRY004 - a wrong key, not type
    return key


def _builder(
    name: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, years: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(issuer, name, public, x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * years))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(common: str, of: x509.Name | None = None) -> x509.Name:
    organisation = of.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value if of else common
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, str(organisation)[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        ]
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority, content_commitment=not authority, key_cert_sign=authority, crl_sign=authority,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
