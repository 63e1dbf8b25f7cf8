"""Which contexts we issued under a key: context → how often (the filter of rung A)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stillhunt.errors import InputError, OutputError
from stillhunt.marks.windows import Documents, context_fingerprints, windows_of

U32 = NDArray[np.uint32]
_SCHEMA = pa.schema([("context", pa.uint64()), ("count", pa.int64())])


@dataclass(frozen=True)
class IssuanceIndex:
    """Contexts that stand in answers issued under one key and epoch.

    commitment: of that key. width: tokens of context. contexts: (n,) uint64 fingerprints, ascending. counts: (n,).
    It holds no text, but whoever has it can test whether a context was issued.
    """

    commitment: str
    width: int
    contexts: NDArray[np.uint64]
    counts: NDArray[np.int64]

    def count_of(self, contexts: U32) -> NDArray[np.int64]:
        """How often each context was issued: (n, width) to (n,), 0 where never."""
        prints = context_fingerprints(contexts)
        if len(self.contexts) == 0:
            return np.zeros(len(prints), dtype=np.int64)
        at = np.minimum(np.searchsorted(self.contexts, prints), len(self.contexts) - 1)
        return np.where(self.contexts[at] == prints, self.counts[at], 0)

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over commitment, width, contexts and counts."""
        content = hashlib.sha256(b"stillhunt-issuance/1\0" + self.commitment.encode() + b"\0")
        content.update(self.width.to_bytes(4, "little"))
        content.update(self.contexts.astype("<u8").tobytes())
        content.update(self.counts.astype("<i8").tobytes())
        return "sha256:" + content.hexdigest()

    def save(self, path: Path) -> None:
        """Writes the index as Parquet."""
        described = _SCHEMA.with_metadata({"commitment": self.commitment, "width": str(self.width)})
        table = pa.table([pa.array(self.contexts), pa.array(self.counts)], schema=described)
        try:
            pq.write_table(table, path, compression="zstd")
        except OSError as error:
            raise OutputError(f"cannot write the issuance index ({error})", str(path)) from error


def issuance_index(issued: Documents, commitment: str, width: int, *, pad: int) -> IssuanceIndex:
    """The index of answers as they were issued, each context counted as often as it was used."""
    windows = windows_of(issued, width, unique="none", pad=pad)
    contexts, counts = np.unique(context_fingerprints(windows.contexts), return_counts=True)
    return IssuanceIndex(commitment, width, contexts, counts.astype(np.int64))


def load_index(path: Path) -> IssuanceIndex:
    """The index of a Parquet file that :meth:`IssuanceIndex.save` wrote."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"cannot read the issuance index ({error})", str(path)) from error
    described = table.schema.metadata or {}
    if not table.schema.equals(_SCHEMA, check_metadata=False) or b"commitment" not in described:
        raise InputError("expected an issuance index with the columns context and count", str(path))
    contexts = table["context"].to_numpy()
    if (contexts[1:] <= contexts[:-1]).any():
        raise InputError("expected contexts in ascending order, each once", str(path))
    return IssuanceIndex(
        described[b"commitment"].decode(), int(described[b"width"]), contexts, table["count"].to_numpy()
    )
