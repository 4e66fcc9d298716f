"""The signed files of a pack, from what the log has. Pure: the log is whatever reads hashes and notes."""

from dataclasses import dataclass

from audit.packs import format as fmt
from audit.tlog.batch import batch_proof
from audit.tlog.tree import ReadHash, consistency_proof


@dataclass(frozen=True, slots=True)
class Log:
    """The tree of `size` leaves, and the signed notes of its two ends; `keys` is what the key page says."""

    read: ReadHash
    checkpoint: bytes
    previous: bytes | None
    keys: bytes


def evidence(stretch: fmt.Stretch, lines: fmt.Lines, k_from: int, log: Log) -> dict[str, bytes]:
    """Everything but the summary. `k_from` is how many events the customer had before the stretch."""
    inclusion = batch_proof(log.read, lines.indexes, stretch.size)
    consistency = consistency_proof(log.read, stretch.start, stretch.size)
    files = {
        fmt.names_of(stretch.month)[1]: lines.compressed(),
        fmt.CHECKPOINT: log.checkpoint,
        fmt.PROOF: fmt.proof_json(stretch, lines, k_from, inclusion, consistency),
        fmt.KEYS: log.keys,
    }
    return files | ({fmt.PREVIOUS: log.previous} if log.previous is not None else {})


def signed(files: dict[str, bytes], sums: bytes, signature: bytes) -> dict[str, bytes]:
    return files | {fmt.SUMS: sums, fmt.SUMS_SIGNATURE: signature}
