"""Signed notes (c2sp.org/signed-note) with Ed25519 keys."""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
KEY_BYTES = 32
KEY_ID_BYTES = 4
MOST_BYTES = 1_000_000
MOST_SIGNATURES = 100
_DASH = "\N{EM DASH} "


class NoteInvalid(ValueError):
    """It is no note, or nobody who is trusted has signed it; the message says which."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _is_name(self.name) or len(self.public) != KEY_BYTES:
            raise NoteInvalid("A verifier key has a name without spaces and plus signs, and 32 bytes.")

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        """The vkey: name+key id+key."""
        return f"{self.name}+{self.key_id.hex()}+{_encoded(ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        material = _decoded(encoded)
        if material[:1] != ED25519:
            raise NoteInvalid("Only Ed25519 keys are known here.")
        key = cls(name, material[1:])
        if key.key_id.hex() != key_id:
            raise NoteInvalid("The key's id is not that of its name and material.")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        return f"{_DASH}{self.name} {_encoded(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """`text` ends with a newline and does not include the empty line before the signatures."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(signature.line for signature in self.signatures)

    @classmethod
    def parse(cls, raw: bytes) -> "Note":
        written = _readable(raw)
        text, gap, signed = written.rpartition("\n\n")
        if not gap or not signed.endswith("\n"):
            raise NoteInvalid("A note is text, an empty line, and signature lines, each with its newline.")
        lines = signed[:-1].split("\n")
        if len(lines) > MOST_SIGNATURES:
            raise NoteInvalid(f"A note of more than {MOST_SIGNATURES} signatures is not read.")
        return cls(text + "\n", tuple(map(_signature, lines)))


def sign(text: str, key: Ed25519PrivateKey, name: str) -> Signature:
    if not text.endswith("\n") or _has_controls(text):
        raise NoteInvalid("The text of a note ends with a newline and has no other control characters.")
    public = VerifierKey(name, key.public_key().public_bytes_raw())
    return Signature(name, public.key_id, key.sign(text.encode()))


def verified_by(note: Note, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
    """The keys that signed it, at least one. NoteInvalid without any, or if one of theirs does not fit the text."""
    known = {(key.name, key.key_id): key for key in keys}
    signers: list[VerifierKey] = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None or key in signers:
            continue
        if not _fits(key, signature.value, note.text):
            raise NoteInvalid(f"The signature of {key.name} does not fit the text.")
        signers.append(key)
    if not signers:
        raise NoteInvalid("No key that is trusted has signed it.")
    return signers


def _fits(key: VerifierKey, signature: bytes, text: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
    except InvalidSignature:
        return False
    return True


def _readable(raw: bytes) -> str:
    if len(raw) > MOST_BYTES:
        raise NoteInvalid(f"A note of more than {MOST_BYTES} bytes is not read.")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise NoteInvalid("A note is UTF-8.") from None
    if _has_controls(text):
        raise NoteInvalid("A note has no control characters but newlines.")
    return text


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _is_name(name):
        raise NoteInvalid("A signature line is an em dash, a space, a name, a space and base64.")
    value = _decoded(encoded)
    if len(value) <= KEY_ID_BYTES:
        raise NoteInvalid("A signature is longer than its key's id.")
    return Signature(name, value[:KEY_ID_BYTES], value[KEY_ID_BYTES:])


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)


def _has_controls(text: str) -> bool:
    return any(character < " " and character != "\n" for character in text)


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(text: str) -> bytes:
    """One spelling for one value, so that a note cannot be changed without breaking it."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    if not raw or _encoded(raw) != text:
        raise NoteInvalid("That is no base64.")
    return raw
