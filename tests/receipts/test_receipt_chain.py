"""A chain of receipts: gaps, doubles, order, forks and mixtures, each named by its step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from receipt_scene import Scene, answer, fixed_keys

from stillhunt.receipts.chain import verify_chain
from stillhunt.receipts.document import Document
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.trust import read_trust


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("chain") / "store")


@pytest.fixture(scope="module")
def chain(scene: Scene) -> list[Document]:
    mixed = scene.logged(range(6)) + scene.logged(range(6, 9), "bolt") + scene.logged(range(9, 12))
    return [one for one in mixed if one.receipt.account == mixed[0].receipt.account]


def broken(documents: list[Document], scene: Scene, *, ordered: bool = False) -> tuple[int, str]:
    with pytest.raises(VerificationError) as caught:
        verify_chain(documents, scene.trust, ordered=ordered)
    return caught.value.step, caught.value.problem


def test_a_whole_chain_holds_in_any_order(scene: Scene, chain: list[Document]) -> None:
    for documents in (chain, chain[::-1], chain[3:], chain[:1]):
        found = verify_chain(documents, scene.trust)
        assert (found.receipts, found.void) == (len(documents), 0)
        assert found.last - found.first + 1 == len(documents)


def test_the_store_gives_the_same_chain(scene: Scene, chain: list[Document]) -> None:
    stored = scene.issuer.chain("acme")
    assert [(one.receipt, one.signature, one.opening) for one in stored] == [
        (one.receipt, one.signature, one.opening) for one in chain
    ]
    assert [one.receipt.sequence for one in scene.issuer.chain("acme", after=6)] == [7, 8, 9]
    assert [one.receipt.sequence for one in scene.issuer.chain("acme", after=2, most=3)] == [3, 4, 5]
    assert scene.issuer.chain("nobody") == []


def test_every_gap_is_counted(scene: Scene, chain: list[Document]) -> None:
    for at in range(1, len(chain) - 1):
        step, problem = broken(chain[:at] + chain[at + 1 :], scene)
        assert (step, problem) == (12, f"1 receipts are missing between number {at} and number {at + 2}")
    assert broken([chain[0], chain[5]], scene)[1].startswith("4 receipts are missing")


def test_a_receipt_given_twice_is_named(scene: Scene, chain: list[Document]) -> None:
    for at in range(len(chain)):
        assert broken([*chain, chain[at]], scene) == (11, "the same receipt is given twice")


def test_order_counts_where_it_is_asked_for(scene: Scene, chain: list[Document]) -> None:
    verify_chain(chain, scene.trust, ordered=True)
    for at in range(len(chain) - 1):
        swapped = [*chain[:at], chain[at + 1], chain[at], *chain[at + 2 :]]
        assert broken(swapped, scene, ordered=True)[0] in (12, 13)


def test_two_receipts_with_one_number_are_a_fork(tmp_path: Path, scene: Scene, chain: list[Document]) -> None:
    fork = Scene(tmp_path / "fork")
    twin = fork.promise(range(100, 103))[2]
    step, problem = broken([*chain, twin], scene)
    assert (step, problem.endswith("bear numbers 3 and 3")) == (11, True)


def test_a_receipt_of_another_history_does_not_fit(
    tmp_path: Path, scene: Scene, chain: list[Document]
) -> None:
    other = Scene(tmp_path / "other")
    other.promise(range(50, 51), "bolt")
    twin = other.promise(range(100, 103))[2]
    step, problem = broken([*chain[:2], twin, *chain[3:]], scene)
    assert (step, problem.startswith("it does not follow number 2")) == (13, True)


def test_receipts_of_two_accounts_do_not_make_a_chain(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    ours, theirs = scene.logged(range(3)), scene.logged(range(3, 6), "bolt")
    assert broken([ours[0], theirs[1]], scene)[0] == 13
    assert broken([theirs[0], ours[1]], scene)[0] == 13


def test_receipts_of_two_issuers_do_not_make_a_chain(
    tmp_path: Path, scene: Scene, chain: list[Document]
) -> None:
    other = Scene(tmp_path / "other", fixed_keys("other", "other.example/receipts"))
    foreign = other.logged(range(3))[2]
    both = read_trust(scene.keys.trust().replace("quorum none", "") + other.keys.trust())
    with pytest.raises(VerificationError, match="the chain mixes issuers"):
        verify_chain([*chain[:2], foreign], both)


def test_a_missing_link_or_salt_is_named(scene: Scene, chain: list[Document]) -> None:
    def without(document: Document, name: str) -> Document:
        return replace(document, opening={k: v for k, v in document.opening.items() if k != name})

    assert broken([chain[0], without(chain[1], "link"), chain[2]], scene)[0] == 13
    assert broken([chain[0], without(chain[1], "salt"), chain[2]], scene)[0] == 13
    verify_chain([chain[0], without(chain[1], "nonce"), chain[2]], scene.trust)


def test_a_signature_that_fails_names_its_receipt(scene: Scene, chain: list[Document]) -> None:
    forged = replace(chain[4], receipt=replace(chain[4].receipt, model="other"))
    with pytest.raises(VerificationError) as caught:
        verify_chain([*chain[:4], forged, *chain[5:]], scene.trust)
    assert caught.value.step == 3
    assert "receipt 5" in caught.value.where


def test_proofs_that_change_places_are_named(scene: Scene, chain: list[Document]) -> None:
    swapped = [replace(chain[0], proof=chain[1].proof), replace(chain[1], proof=chain[0].proof), *chain[2:]]
    assert broken(swapped, scene)[0] == 14


def test_the_chain_goes_on_when_the_pseudonym_changes(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    before = scene.logged(range(2))
    scene.clock.ms += 10 * 86_400_000
    after = scene.logged(range(2, 4))
    assert before[0].receipt.account == before[1].receipt.account != after[0].receipt.account
    assert verify_chain(before + after, scene.trust).last == 4


def test_numbers_given_up_after_a_stop_are_part_of_the_chain(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    before = scene.promise(range(2))
    scene.issuer.abandon()
    scene.reopen()
    after = scene.promise(range(2, 4))
    new = scene.promise(range(4, 5), "bolt")
    assert [one.receipt.void for one in (*after, *new)] == [4096, 0, 4096]
    found = verify_chain(before + after, scene.trust)
    assert (found.first, found.last, found.void) == (1, 4100, 4096)
    assert verify_chain(new, scene.trust).first == 4097
    hidden = replace(after[0], receipt=replace(after[0].receipt, void=0))
    signed = replace(hidden, signature=fixed_keys().current.sign(hidden.receipt.signed_bytes()))
    assert broken([*before, signed], scene) == (
        12,
        "4096 receipts are missing between number 2 and number 4099",
    )


def test_an_empty_chain_is_refused(scene: Scene) -> None:
    assert broken([], scene)[0] == 10


def test_a_clock_that_goes_back_does_not_show(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "store")
    before = scene.promise(range(1))
    scene.clock.ms -= 60_000
    after = [scene.issuer.promise(answer(1, "acme"))]
    assert before[0].receipt.time == after[0].receipt.time
    verify_chain(before + after, scene.trust)
