"""The Merkle tree of RFC 6962, section 2.1: hashes, proofs and their verification.

Proofs are made from any source of subtree roots: ``subtree(height, index)`` is the root over the entries
``[index * 2**height, (index + 1) * 2**height)``. Verification follows RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from stillhunt.receipts.failure import VerificationError

Subtree = Callable[[int, int], bytes]
EMPTY_ROOT = sha256(b"").digest()
HASH_BYTES = 32


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of subtree roots."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def root(size: int, subtree: Subtree) -> bytes:
    """The root of the first ``size`` entries."""
    return _range_root(0, size, subtree) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The audit path of entry ``index`` in the tree of ``size`` entries, sibling of the leaf first."""
    if not 0 <= index < size:
        raise ValueError(f"expected an index below the size {size}, got {index}")
    low, high, path = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_root(middle, high, subtree))
            high = middle
        else:
            path.append(_range_root(low, middle, subtree))
            low = middle
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """The proof that the tree of ``new`` entries begins with that of ``old``; empty when ``old`` is 0 or ``new``."""
    if not 0 <= old <= new:
        raise ValueError(f"expected an old size of at most {new}, got {old}")
    if old in (0, new):
        return []
    low, high, whole, path = 0, new, True, []
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range_root(middle, high, subtree))
            high = middle
        else:
            path.append(_range_root(low, middle, subtree))
            low, whole = middle, False
    if not whole:
        path.append(_range_root(low, high, subtree))
    return path[::-1]


def verify_inclusion(entry: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes) -> None:
    """Raises VerificationError unless ``entry`` stands at ``index`` in the tree of ``size`` with that root."""
    if not 0 <= index < size:
        raise VerificationError(f"the proof is for entry {index} of a tree of {size}")
    at, last, got, used = index, size - 1, leaf_hash(entry), 0
    for sibling in path:
        if last == 0:
            raise VerificationError(f"the proof has {len(path)} hashes, expected {used}")
        if at & 1 or at == last:
            got = node_hash(sibling, got)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            got = node_hash(got, sibling)
        at, last, used = at >> 1, last >> 1, used + 1
    if last:
        raise VerificationError(f"the proof has only {len(path)} hashes; more are expected")
    if got != expected:
        raise VerificationError(f"the entry at index {index} does not lead to the root of the checkpoint")


def verify_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Raises VerificationError unless the tree of ``new`` entries begins with the tree of ``old``."""
    if old > new:
        raise VerificationError(f"the older tree has {old} entries, more than the {new} of the newer one")
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if path or old_root != expected:
            raise VerificationError(f"trees of {old} and {new} entries contradict each other")
        return
    if not path:
        raise VerificationError("the consistency proof is empty")
    hashes = list(path)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    got_old = got_new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise VerificationError("the consistency proof has too many hashes")
        if at & 1 or at == last:
            got_old, got_new = node_hash(sibling, got_old), node_hash(sibling, got_new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            got_new = node_hash(got_new, sibling)
        at, last = at >> 1, last >> 1
    if last or got_old != old_root or got_new != new_root:
        raise VerificationError(f"the tree of {new} entries does not begin with the tree of {old}")


def _split(size: int) -> int:
    """The largest power of two below ``size`` (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_root(low: int, high: int, subtree: Subtree) -> bytes:
    """The hash over entries ``[low, high)``, where ``low`` is a multiple of the range's size rounded up."""
    size = high - low
    if size & (size - 1) == 0:
        height = size.bit_length() - 1
        return subtree(height, low >> height)
    middle = low + _split(size)
    return node_hash(_range_root(low, middle, subtree), _range_root(middle, high, subtree))
