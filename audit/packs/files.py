"""A pack's files as they lie in the database, and as they are given out."""

from collections.abc import Mapping
from dataclasses import dataclass

from audit.models import Pack, PackPiece, SignatureRequest
from audit.packs import format as fmt
from audit.tlog.note import VerifierKey
from audit.trees import epoch

PIECE_BYTES = 1 << 20
UNSIGNED = "unsigned.pdf"  # between the two halves of its signature
SIGNATURE = "pack.sig"  # SHA256SUMS as a signed note
FORMATS = {"pdf": "application/pdf", "jsonl": "application/gzip", "zip": "application/zip", "sig": "text/plain"}


def put(pack: Pack, files: Mapping[str, bytes]) -> None:
    pieces = [
        PackPiece(
            pack=pack, customer_id=pack.customer_id, name=name, position=at // PIECE_BYTES,
            content=content[at : at + PIECE_BYTES],
        )
        for name, content in files.items()
        for at in range(0, max(1, len(content)), PIECE_BYTES)
    ]  # fmt: skip
    PackPiece.objects.bulk_create(pieces, batch_size=8)


def get(pack: Pack, name: str) -> bytes:
    """Empty if it is not there."""
    pieces = PackPiece.objects.filter(pack_id=pack.pk, name=name).order_by("position")
    return b"".join(map(bytes, pieces.values_list("content", flat=True)))


def names(pack: Pack) -> set[str]:
    return set(PackPiece.objects.filter(pack_id=pack.pk).values_list("name", flat=True).distinct())


def all_of(pack: Pack) -> dict[str, bytes]:
    """What the zip has."""
    found: dict[str, list[bytes]] = {}
    pieces = (
        PackPiece.objects.filter(pack_id=pack.pk).exclude(name__in=(UNSIGNED, SIGNATURE)).order_by("name", "position")
    )
    for name, content in pieces.values_list("name", "content"):
        found.setdefault(name, []).append(bytes(content))
    return {name: b"".join(parts) for name, parts in found.items()}


@dataclass(frozen=True, slots=True)
class Download:
    name: str
    content_type: str
    content: bytes


def download(pack: Pack, form: str, customer_key: str) -> Download:
    """`form`: a key of FORMATS."""
    summary, events = fmt.names_of(pack.month)
    about = f"{customer_key}-{pack.month}"
    if pack.domain:
        about += f"-handover-{pack.domain.removeprefix('@')}"
    if pack.interim:
        about += "-interim"
    content = {
        "pdf": lambda: get(pack, summary),
        "jsonl": lambda: get(pack, events),
        "sig": lambda: get(pack, SIGNATURE),
        "zip": lambda: fmt.zip_of(pack.month, all_of(pack)),
    }[form]()
    ending = {"jsonl": "jsonl.gz"}.get(form, form)
    return Download(f"{about}.{ending}", FORMATS[form], content)


def key_of(request: SignatureRequest) -> VerifierKey:
    """The log key that signed, by the name that it has in the notes of the pack's log."""
    return VerifierKey(epoch(request.pack.epoch).origin, bytes(request.key or b""))
