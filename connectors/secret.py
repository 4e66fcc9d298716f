"""Credential material in memory: no repr, no pickle, wiped (as far as Python can) when it is no longer needed."""

from collections.abc import Iterator, Mapping
from typing import NoReturn, Self


class Secret:
    """A value that shows itself only to who asks by name. Tracebacks that print locals see `<secret>`."""

    __slots__ = ("_held",)

    def __init__(self, value: str | bytes) -> None:
        self._held = bytearray(value.encode() if isinstance(value, str) else value)

    def reveal(self) -> bytes:
        return bytes(self._held)

    def reveal_text(self) -> str:
        return self._held.decode()

    def wipe(self) -> None:
        for position in range(len(self._held)):
            self._held[position] = 0
        self._held.clear()

    def __bool__(self) -> bool:
        return bool(self._held)

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __reduce__(self) -> NoReturn:
        message = "A secret is not serialised."
        raise TypeError(message)


class SecretBundle:
    """The secret fields of one credential, by field name; a context manager that wipes them."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = {name: Secret(value) for name, value in fields.items()}

    def __getitem__(self, name: str) -> Secret:
        return self._fields[name]

    def __iter__(self) -> Iterator[Secret]:
        return iter(self._fields.values())

    def add(self, name: str, secret: Secret) -> None:
        """Also watch for what was derived from the credential, such as an access token."""
        self._fields[name] = secret

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for secret in self._fields.values():
            secret.wipe()
        self._fields.clear()

    def __repr__(self) -> str:
        return "<secrets>"

    def __reduce__(self) -> NoReturn:
        message = "Secrets are not serialised."
        raise TypeError(message)
