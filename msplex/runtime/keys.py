"""The keys of a self-contained installation: made once, one file each, readable by their owner only.

A real deployment makes them elsewhere and names the files (docs/running.md); nothing here is needed then.
"""

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from audit.packs.certificates import CURVE, chain_of
from connectors.suites import X25519
from identity.token_keys import public_halves
from msplex.runtime.home import write_private
from tenants.key_files import new_key, split_keys


@dataclass(frozen=True)
class Keys:
    directory: Path

    @property
    def passwords(self) -> Path:
        return self.directory / "database"

    def file(self, variable: str) -> Path:
        """The file behind MSPLEX_SECRET_KEY is msplex_secret_key, and so on."""
        return self.directory / variable.lower()

    def make(self) -> None:
        """Make what is missing. A pair is made whole: its public half follows from the private one."""
        self._once("MSPLEX_SECRET_KEY", secrets.token_urlsafe(64))
        self._once("MSPLEX_CONTEXT_KEY", _text(secrets.token_bytes(32)))
        self._once("MSPLEX_RECORD_KEY", _text(secrets.token_bytes(32)))
        self._once("MSPLEX_LOG_SIGNING_KEY", new_key())
        self._once("MSPLEX_NOTIFY_KEY", _text(secrets.token_bytes(32)))
        self._make_pdf_keys()
        self._once("MSPLEX_TOKEN_SIGNING_KEY", new_key())
        self._once("MSPLEX_BROKER_SIGNING_KEY", new_key())
        self._once("MSPLEX_BROKER_ROOT_KEY", _text(secrets.token_bytes(32)))
        self._derive("MSPLEX_TOKEN_VERIFY_KEY", self._public("MSPLEX_TOKEN_SIGNING_KEY"))
        self._derive("MSPLEX_BROKER_VERIFY_KEY", self._public("MSPLEX_BROKER_SIGNING_KEY"))
        newest = base64.b64decode(self.file("MSPLEX_NOTIFY_KEY").read_text().split()[-1])
        self._derive("MSPLEX_NOTIFY_PUBLIC_KEY", _text(X25519.public_bytes(newest)).encode())

    def _make_pdf_keys(self) -> None:
        """The authority's own key is kept beside them for the next certificate; no process is given it."""
        for name in ("MSPLEX_PDF_SIGNING_KEY", PDF_AUTHORITY):
            key = ec.generate_private_key(CURVE)
            self._once(name, key.private_bytes(*_PRIVATE_PEM, serialization.NoEncryption()))
        if not self.file("MSPLEX_PDF_CERTIFICATES").exists():
            signing, authority = (self.file(name).read_text() for name in ("MSPLEX_PDF_SIGNING_KEY", PDF_AUTHORITY))
            self._once("MSPLEX_PDF_CERTIFICATES", chain_of(signing, authority, gethostname()))

    def _once(self, variable: str, content: str | bytes) -> None:
        if not self.file(variable).exists():
            write_private(self.file(variable), content)

    def _derive(self, variable: str, content: bytes) -> None:
        path = self.file(variable)
        if not path.exists() or path.read_bytes() != content:
            write_private(path, content)

    def _public(self, variable: str) -> bytes:
        """Of all that are there: a new key is added, and what the one before has signed is still about."""
        return public_halves(split_keys(self.file(variable).read_text())).encode()


PDF_AUTHORITY = "MSPLEX_PDF_AUTHORITY_KEY"
_PRIVATE_PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
