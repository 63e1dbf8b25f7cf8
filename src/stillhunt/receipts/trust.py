"""Whom a verifier trusts: a C2SP tlog-policy with receipt keys (spec/receipt.md, "Trust"; c2sp.org/tlog-policy)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stillhunt.errors import InputError
from stillhunt.receipts.checkpoints import Checkpoint, read_checkpoint
from stillhunt.receipts.failure import VerificationError
from stillhunt.receipts.notes import (
    COSIGNATURES,
    ED25519,
    RECEIPT,
    Note,
    PublicKey,
    check_cosignature,
    check_signature,
    read_public_key,
)

_ALWAYS = datetime.min.replace(tzinfo=UTC)
_FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class ReceiptKey:
    """A receipt key, and the receipt times that it counts for: from ``since``, before ``until``."""

    key: PublicKey
    since: datetime = _ALWAYS
    until: datetime = _FOREVER


@dataclass(frozen=True)
class Group:
    """``needed`` of ``members`` must have cosigned; members are names of witnesses or groups."""

    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Trust:
    """Keys and the quorum. ``quorum`` is the name of a witness or group, or ``none``; ``urls`` says where witnesses
    can be asked, by name."""

    receipt_keys: tuple[ReceiptKey, ...]
    logs: tuple[PublicKey, ...]
    witnesses: dict[str, PublicKey]
    groups: dict[str, Group]
    quorum: str
    urls: dict[str, str]

    def receipt_key(self, issuer: str, key_id: str, when: datetime) -> PublicKey:
        """Step 2. Raises VerificationError where no key of this name and id counts at ``when``."""
        named = [one for one in self.receipt_keys if one.key.name == issuer]
        if not named:
            raise VerificationError(f"the trust has no receipt key of issuer {issuer!r}")
        known = [one for one in named if one.key.id.hex() == key_id]
        if not known:
            raise VerificationError(f"the trust has no receipt key {key_id} of {issuer}")
        for one in known:
            if one.since <= when < one.until:
                return one.key
        raise VerificationError(
            f"the receipt key {key_id} of {issuer} does not count at {when.isoformat()}; it counts "
            + ", ".join(f"from {one.since.isoformat()} until {one.until.isoformat()}" for one in known)
        )

    def check_checkpoint(self, note: Note, origin: str | None = None) -> tuple[Checkpoint, list[datetime]]:
        """Step 7: the checkpoint, and when each witness cosigned it. Raises VerificationError."""
        checkpoint = read_checkpoint(note.text)
        if origin is not None and checkpoint.origin != origin:
            raise VerificationError(f"the checkpoint is of {checkpoint.origin!r}, the receipt of {origin!r}")
        logs = [key for key in self.logs if key.name == checkpoint.origin]
        if not logs:
            raise VerificationError(f"the trust has no log named {checkpoint.origin!r}")
        if True not in [check_signature(note, key) for key in logs]:  # every one is checked
            raise VerificationError(f"no trusted key of the log {checkpoint.origin!r} signed this checkpoint")
        times = {name: check_cosignature(note, key) for name, key in self.witnesses.items()}
        cosigned = {name for name, time_s in times.items() if time_s is not None}
        if self.quorum != "none" and not self._met(self.quorum, cosigned):
            raise VerificationError(
                f"the checkpoint is cosigned by {', '.join(sorted(cosigned)) or 'no witness'}, "
                f"which does not meet the quorum {self.quorum!r}"
            )
        return checkpoint, [_moment(time_s) for time_s in times.values() if time_s is not None]

    def _met(self, name: str, cosigned: set[str]) -> bool:
        if name in self.witnesses:
            return name in cosigned
        group = self.groups[name]
        return sum(self._met(member, cosigned) for member in group.members) >= group.needed


def read_trust(text: str, where: str = "trust") -> Trust:
    """Parses a trust file. Raises InputError, which names the line."""
    reading = _Reading()
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if words and not words[0].startswith("#"):
            try:
                reading.line(words)
            except (ValueError, IndexError) as error:
                raise InputError(str(error) or "the line is incomplete", f"{where}, line {number}") from error
    if reading.quorum is None:
        raise InputError(
            "expected one line 'quorum NAME', got none", where, "Add 'quorum none' for no witnesses."
        )
    keys = reading
    return Trust(
        tuple(keys.receipt_keys), tuple(keys.logs), keys.witnesses, keys.groups, reading.quorum, keys.urls
    )


class _Reading:
    def __init__(self) -> None:
        self.receipt_keys: list[ReceiptKey] = []
        self.logs: list[PublicKey] = []
        self.witnesses: dict[str, PublicKey] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self.urls: dict[str, str] = {}
        self._used: set[str] = set()
        self._kinds: dict[str, Callable[[list[str]], None]] = {
            "receipt-key": self._receipt_key,
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }

    def line(self, words: list[str]) -> None:
        if words[0] not in self._kinds:
            raise ValueError(f"expected one of {', '.join(self._kinds)}, got {words[0]!r}")
        self._kinds[words[0]](words[1:])

    def _receipt_key(self, words: list[str]) -> None:
        bounds = dict(zip(words[1::2], words[2::2], strict=True))
        if set(bounds) - {"from", "until"} or len(bounds) * 2 + 1 != len(words):
            raise ValueError("expected: receipt-key KEY [from TIME] [until TIME]")
        since, until = bounds.get("from"), bounds.get("until")
        self.receipt_keys.append(
            ReceiptKey(
                read_public_key(words[0], RECEIPT),
                _ALWAYS if since is None else _bound(since),
                _FOREVER if until is None else _bound(until),
            )
        )

    def _log(self, words: list[str]) -> None:
        self.logs.append(_new(read_public_key(words[0], ED25519), self.logs))

    def _witness(self, words: list[str]) -> None:
        key = _new(read_public_key(words[1], *COSIGNATURES), self.witnesses.values())
        self.witnesses[self._name(words[0])] = key
        if len(words) > 2:
            self.urls[words[0]] = words[2]

    def _group(self, words: list[str]) -> None:
        name, needed, *members = words
        for member in members:
            if member in self._used or (member not in self.witnesses and member not in self.groups):
                raise ValueError(
                    f"expected a witness or group named above and in no other group, got {member!r}"
                )
            self._used.add(member)
        count = {"all": len(members), "any": 1}.get(needed) or int(needed)
        if not 1 <= count <= len(members):
            raise ValueError(f"expected all, any, or a number from 1 to {len(members)}, got {needed!r}")
        self.groups[self._name(name)] = Group(count, tuple(members))

    def _quorum(self, words: list[str]) -> None:
        if self.quorum is not None:
            raise ValueError("expected one quorum line, got a second one")
        if words[0] != "none" and words[0] not in self.witnesses and words[0] not in self.groups:
            raise ValueError(f"expected none, or a witness or group named above, got {words[0]!r}")
        self.quorum = words[0]

    def _name(self, name: str) -> str:
        if name == "none" or name in self.witnesses or name in self.groups:
            raise ValueError(f"expected a new name, got {name!r}")
        return name


def _new(key: PublicKey, known: Iterable[PublicKey]) -> PublicKey:
    if any(key.raw == other.raw for other in known):
        raise ValueError("this public key stands on an earlier line")
    return key


def _bound(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"expected a time with its zone, such as 2026-11-01T00:00:00Z, got {text!r}")
    return moment


def _moment(time_s: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(time_s, 253402300799))
