"""Secrets to look for, in every spelling that connectors.canary knows, in whatever bytes there are."""

import contextlib
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from connectors.canary import spellings

_DEEPEST = 3
_GZIP, _ZIP, _PDF = b"\x1f\x8b", b"PK\x03\x04", b"%PDF"


@dataclass(frozen=True)
class Needles:
    """By name. `spelled` is what is looked for, in lower case."""

    spelled: Mapping[str, frozenset[bytes]]

    @classmethod
    def of(cls, secrets: Mapping[str, str]) -> "Needles":
        return cls({name: frozenset(map(str.encode, spellings(value.encode()))) for name, value in secrets.items()})

    def found(self, data: bytes) -> Counter[str]:
        """How often each is in there, in whatever spelling; also inside what is packed, and over broken lines."""
        counts: Counter[str] = Counter()
        for part in unpacked(data):
            plain = part.lower()
            unspaced = plain.translate(None, b" \t\r\n:")
            for name, spelled in self.spelled.items():
                counts[name] += max(sum(map(view.count, spelled)) for view in (plain, unspaced))
        return +counts


@dataclass
class Place:
    """Where was looked, how much there was, and what was found: of the secrets, and of what has to be there."""

    size: int = 0
    items: int = 0
    secrets: Counter[str] = field(default_factory=Counter)
    controls: Counter[str] = field(default_factory=Counter)
    where: list[str] = field(default_factory=list)

    def look(self, pieces: Iterable[tuple[str, bytes]], secrets: Needles, controls: Needles) -> "Place":
        """`pieces`: what each is called, and its bytes."""
        for name, data in pieces:
            found = secrets.found(data)
            self.items, self.size = self.items + 1, self.size + len(data)
            self.secrets += found
            self.controls += controls.found(data)
            self.where += [name] if found else []
        return self


def unpacked(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The bytes themselves, then what is in them if they are an archive, compressed, or a PDF file."""
    yield data
    if depth < _DEEPEST:
        for inner in _inside(data):
            yield from unpacked(inner, depth + 1)


def _inside(data: bytes) -> Iterator[bytes]:
    """What only begins like one (a digest may) is no archive; its bytes are searched as they are, as all are."""
    if data.startswith(_GZIP):
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data)
    elif data.startswith(_ZIP):
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif data.startswith(_PDF):
        for part in data.split(b"stream")[1::2]:
            try:
                yield zlib.decompressobj().decompress(part.lstrip(b"\r\n"))
            except zlib.error:
                continue
