"""The broker's key ring: a directory with the private halves of key-encryption keys, each under the root key.

Nothing of it is in the database. One file per key, named by the key's id: nonce and AES-256-GCM of the private half,
bound to the id and the purpose. Several processes share the directory: a file appears whole (rename) or not at all,
and whoever adds or destroys one holds the lock.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from connectors.sealing import context
from connectors.suites import KeyUnusable, UnwrappingKey, suite_of

_NONCE = 12
_PRIVATE = 0o600
_SUFFIX = ".key"


class Purpose(StrEnum):
    INTAKE = "intake"  # what the portal seals to
    STORAGE = "storage"  # what credentials are kept under


class KeyMissing(Exception):
    """The ring does not have the key, or its file does not open with the root key for this purpose."""


@dataclass
class KeyRing:
    """`roots`: the last wraps, all unwrap. A key that was read stays in memory while its file is the same file."""

    directory: Path
    roots: tuple[bytes, ...] = field(repr=False)
    _held: dict[str, tuple[tuple[int, int], UnwrappingKey]] = field(default_factory=dict, repr=False)

    def key(self, name: str, purpose: Purpose) -> UnwrappingKey:
        path = self._path(name)
        try:
            status = path.stat()
            mark = status.st_ino, status.st_mtime_ns
            held = self._held.get(f"{purpose} {name}")
            if held is None or held[0] != mark:
                held = mark, self._opened(name, purpose, path.read_bytes())
                self._held[f"{purpose} {name}"] = held
        except (OSError, KeyUnusable):
            self._held.pop(f"{purpose} {name}", None)
            raise KeyMissing(name) from None
        return held[1]

    def add(self, key: UnwrappingKey, raw: bytes, purpose: Purpose) -> None:
        nonce = os.urandom(_NONCE)
        wrapped = nonce + AESGCM(self.roots[-1]).encrypt(nonce, raw, _bound(key.id, purpose))
        draft = self._path(key.id).with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "wb") as file:
            file.write(wrapped)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path(key.id))
        self._settle()

    def destroy(self, name: str) -> None:
        """Overwritten, then unlinked. Again on one that is gone does nothing."""
        for held in [each for each in self._held if each.endswith(f" {name}")]:
            del self._held[held]
        path = self._path(name)
        with suppress(FileNotFoundError):
            with path.open("r+b") as file:
                file.write(os.urandom(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            self._settle()

    def names(self) -> set[str]:
        return {path.stem for path in self.directory.glob(f"*{_SUFFIX}")}

    @contextmanager
    def locked(self, what: str, *, wait: bool = True) -> Iterator[bool]:
        """Whether it is ours until the block ends; only False without `wait`. The kernel lets go when we die."""
        handle = os.open(self.directory / f"{what}.lock", os.O_RDWR | os.O_CREAT, _PRIVATE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            yield False
            return
        try:
            yield True
        finally:
            os.close(handle)

    def _opened(self, name: str, purpose: Purpose, wrapped: bytes) -> UnwrappingKey:
        for root in self.roots:
            with suppress(InvalidTag):
                raw = AESGCM(root).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _bound(name, purpose))
                return UnwrappingKey(suite_of(name), raw)
        raise KeyUnusable

    def _path(self, name: str) -> Path:
        if not name or not all(letter.isalnum() or letter == "-" for letter in name):
            raise KeyMissing(name)  # a row cannot lead out of the directory
        return self.directory / f"{name}{_SUFFIX}"

    def _settle(self) -> None:
        handle = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _bound(name: str, purpose: Purpose) -> bytes:
    return context("ring", name.encode(), purpose.encode())


_rings: dict[tuple[str, tuple[bytes, ...]], KeyRing] = {}


def ring() -> KeyRing:
    """This process's, by its settings."""
    name = settings.BROKER_KEYRING, tuple(settings.BROKER_ROOT_KEY)
    if name not in _rings:
        _rings[name] = KeyRing(Path(name[0]), name[1])
    return _rings[name]
