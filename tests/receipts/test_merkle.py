"""The Merkle tree against the recursive definitions of RFC 6962, section 2.1, written down as they stand there."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillhunt.receipts import merkle
from stillhunt.receipts.failure import VerificationError


def tree_hash(entries: list[bytes]) -> bytes:
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = largest_power_below(len(entries))
    return sha256(b"\x01" + tree_hash(entries[:k]) + tree_hash(entries[k:])).digest()


def path(m: int, entries: list[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = largest_power_below(len(entries))
    if m < k:
        return [*path(m, entries[:k]), tree_hash(entries[k:])]
    return [*path(m - k, entries[k:]), tree_hash(entries[:k])]


def subproof(m: int, entries: list[bytes], whole: bool) -> list[bytes]:
    if m == len(entries):
        return [] if whole else [tree_hash(entries)]
    k = largest_power_below(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], whole), tree_hash(entries[k:])]
    return [*subproof(m - k, entries[k:], False), tree_hash(entries[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


ENTRIES = [b"entry %d" % number for number in range(301)]


def subtree(height: int, index: int) -> bytes:
    return merkle.perfect_root(
        [merkle.leaf_hash(e) for e in ENTRIES[index << height : (index + 1) << height]]
    )


def test_roots_of_every_size_are_those_of_the_definition() -> None:
    for size in range(301):
        assert merkle.root(size, subtree) == tree_hash(ENTRIES[:size]), size


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 100, 255, 256, 257, 300])
def test_inclusion_proofs_are_those_of_the_definition_and_verify(size: int) -> None:
    root = tree_hash(ENTRIES[:size])
    for index in range(size) if size <= 33 else random.Random(size).sample(range(size), 12):
        proof = merkle.inclusion_proof(index, size, subtree)
        assert proof == path(index, ENTRIES[:size])
        merkle.verify_inclusion(ENTRIES[index], index, size, proof, root)


def test_consistency_proofs_are_those_of_the_definition_and_verify() -> None:
    pairs = [(old, new) for new in range(1, 34) for old in range(new + 1)]
    pairs += [(old, new) for new in (255, 256, 257, 300) for old in (1, 2, 127, 128, 129, 254, 255)]
    for old, new in pairs:
        proof = merkle.consistency_proof(old, new, subtree)
        assert proof == (subproof(old, ENTRIES[:new], True) if old else [])
        merkle.verify_consistency(old, new, proof, tree_hash(ENTRIES[:old]), tree_hash(ENTRIES[:new]))


@given(st.integers(1, 300), st.data())
@settings(max_examples=150, deadline=None)
def test_an_inclusion_proof_holds_for_one_entry_index_and_path_alone(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, subtree)
    root = merkle.root(size, subtree)
    wrong: list[tuple[bytes, int, list[bytes]]] = [
        (ENTRIES[index] + b"x", index, proof),
        (ENTRIES[index], index, [*proof, proof[-1] if proof else root]),
    ]
    if size > 1:
        other = data.draw(st.integers(0, size - 1).filter(lambda one: one != index))
        at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(proof[at], "big") ^ 1 << bit).to_bytes(32, "big")
        wrong += [
            (ENTRIES[index], other, proof),
            (ENTRIES[other], index, proof),
            (ENTRIES[index], index, proof[:-1]),
            (ENTRIES[index], index, [*proof[:at], flipped, *proof[at + 1 :]]),
        ]
    for entry, place, hashes in wrong:
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(entry, place, size, hashes, root)


@given(st.integers(1, 300), st.data())
@settings(max_examples=150, deadline=None)
def test_a_consistency_proof_holds_for_these_two_trees_alone(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    proof = merkle.consistency_proof(old, new, subtree)
    before, after = merkle.root(old, subtree), merkle.root(new, subtree)
    merkle.verify_consistency(old, new, proof, before, after)
    other = sha256(before).digest()
    wrong = [(proof, other, after), (proof, before, sha256(after).digest()), ([*proof, other], before, after)]
    if proof:
        at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(proof[at], "big") ^ 1 << bit).to_bytes(32, "big")
        wrong += [([*proof[:at], flipped, *proof[at + 1 :]], before, after), (proof[:-1], before, after)]
    for hashes, first, second in wrong:
        with pytest.raises(VerificationError):
            merkle.verify_consistency(old, new, hashes, first, second)


def test_a_tree_does_not_begin_with_a_larger_one() -> None:
    with pytest.raises(VerificationError, match="the older tree has 5 entries"):
        merkle.verify_consistency(5, 4, [], b"", b"")
    with pytest.raises(ValueError, match="expected an index below the size 4"):
        merkle.inclusion_proof(4, 4, subtree)
