"""Texts by number: a family (a pattern with slots), a variant (what fills them) and a style (a writer's habits).

A text is a function of these three numbers, so that traffic can be planned without any string in memory and turned
into text, or into sketches, at the very end.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillhunt.simulate.grammar.phrases import CODE, INSTRUCTIONS, PHRASES, SENTENCES, TAGS
from stillhunt.simulate.grammar.words import CODE_TASKS, CODE_WORDS, DOMAINS, FOREIGN, WORDS
from stillhunt.simulate.ids import U64, mix

_SLOT = re.compile(r"\{([!~]?)(\w+)\}")
_SENTENCES_PER_DOMAIN = 700
_WORDINGS = 400


def index(places: NDArray[np.int64] | U64) -> pa.Array:
    """Places as an Arrow array, without the detour that ``pa.array`` takes."""
    return pa.Array.from_buffers(
        pa.int64(), len(places), [None, pa.py_buffer(places.astype(np.int64, copy=False))]
    )


@dataclass(frozen=True)
class Slot:
    """A place in a pattern that is filled from ``pool``, by the writer's style or anew per text."""

    pool: pa.Array
    by_style: bool = False


@dataclass(frozen=True)
class Family:
    """A pattern: literal text and slots in turn."""

    parts: tuple[str | Slot, ...]

    def texts(self, variant: U64, style: U64) -> pa.Array:
        """One text per (variant, style). A family of a single slot counts through its pool by ``variant``."""
        if not self.parts:
            return pa.array([""] * len(variant))
        alone = sum(isinstance(part, Slot) for part in self.parts) == 1
        columns: list[pa.Array | pa.Scalar] = []
        for place, part in enumerate(self.parts):
            if isinstance(part, str):
                columns.append(pa.scalar(part, pa.string()))
                continue
            number = style if part.by_style else variant
            if not alone:
                number = mix(number, place)
            columns.append(part.pool.take(index(number % np.uint64(len(part.pool)))))
        if all(isinstance(column, pa.Scalar) for column in columns):
            return pa.array(["".join(column.as_py() for column in columns)] * len(variant))
        return pc.binary_join_element_wise(*columns, pa.scalar("", pa.string()))


class Language:
    """Pools of words, phrases, sentences and code, from which families are made."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._random = random.Random(int(rng.integers(2**63)))
        self._lists: dict[str, list[str]] = _lists()
        self._pools: dict[str, pa.Array] = {}
        self.domains: tuple[str, ...] = tuple(DOMAINS)

    def pool(self, name: str, domain: str | None = None) -> pa.Array:
        """Every filling of the slot ``name``, in a ``domain`` where the slot has one."""
        local = f"{name}@{domain}"
        key = local if domain and (name == "sentence" or local in self._lists) else name
        if key not in self._pools:
            self._pools[key] = pa.array(self._expand_pool(name, domain))
        return self._pools[key]

    def family(
        self,
        pattern: str,
        rng: np.random.Generator | None = None,
        *,
        domain: str | None = None,
        prefix: Sequence[str | Slot] = (),
    ) -> Family:
        """A family from a pattern. ``rng`` chooses the fixed words of ``{!slot}``; without it they vary."""
        parts: list[str | Slot] = list(prefix)
        literal = ""
        last = 0
        for match in _SLOT.finditer(pattern):
            literal += pattern[last : match.start()]
            last = match.end()
            mode, name = match.groups()
            pool = self.pool(name, domain)
            if mode == "!" and rng is not None:
                literal += pool[int(rng.integers(len(pool)))].as_py()
                continue
            if literal:
                parts.append(literal.replace("{{", "{").replace("}}", "}"))
                literal = ""
            parts.append(Slot(pool, by_style=mode == "~"))
        literal += pattern[last:]
        if literal:
            parts.append(literal.replace("{{", "{").replace("}}", "}"))
        return Family(tuple(parts))

    def instruction(self, subject: str, rng: np.random.Generator, rewriting: str) -> tuple[str | Slot, ...]:
        """The head of an instructed prompt. ``rewriting`` says how its wording varies: ``fixed`` never,
        ``paraphrased`` by the account, ``per_request`` with every request."""
        tag = TAGS[int(rng.integers(len(TAGS)))]
        chooser = random.Random(int(rng.integers(2**63)))
        wordings = [_wording(chooser, INSTRUCTIONS[subject], tag) for _ in range(_WORDINGS)]
        if rewriting == "fixed":
            return (wordings[0] + "\n\n",)
        if rewriting == "paraphrased":
            return (Slot(pa.array(wordings[:24]), by_style=True), "\n\n")
        return (Slot(pa.array(wordings)), "\n\n")

    def _expand_pool(self, name: str, domain: str | None) -> list[str]:
        if name == "sentence":
            chosen = [domain] if domain else list(self.domains)
            return [self._sentence(of) for of in chosen for _ in range(_SENTENCES_PER_DOMAIN)]
        if name in ("sentence_operations", "sentence_ops"):
            return [self._sentence("operations") for _ in range(_SENTENCES_PER_DOMAIN)]
        if name == "code":
            return [self._expand(self._random.choice(CODE), None) for _ in range(900)]
        if name == "code_task":
            return [self._word(name, None) for _ in range(900)]
        if name in PHRASES:
            size = PHRASES[name][0]
            return [self._word(name, domain) for _ in range(size)]
        if name in FOREIGN:
            return [self._word(name, None) for _ in range(600)]
        if name.endswith("_cap"):
            return [text[:1].upper() + text[1:] for text in self.pool(name[:-4], domain).to_pylist()]
        local = f"{name}@{domain}"
        return list(self._lists[local if local in self._lists else name])

    def _sentence(self, domain: str) -> str:
        return self._expand(self._random.choice(SENTENCES), domain)

    def _expand(self, pattern: str, domain: str | None) -> str:
        text = _SLOT.sub(lambda match: self._word(match.group(2), domain), pattern)
        return text.replace("{{", "{").replace("}}", "}")

    def _word(self, name: str, domain: str | None) -> str:
        base = name.rstrip("2")
        if base.endswith("_cap"):
            word = self._word(base[:-4], domain)
            return word[:1].upper() + word[1:]
        if base == "Ident":
            return self._word("ident", None).title().replace("_", "")
        if base == "sentence":
            return self._sentence(domain or self._random.choice(self.domains))
        choices = self._lists.get(f"{base}@{domain}") or self._lists[base]
        word = self._random.choice(choices)
        return self._expand(word, domain) if "{" in word else word


def _lists() -> dict[str, list[str]]:
    lists = {name: text.split("|") for words in (WORDS, CODE_WORDS, FOREIGN) for name, text in words.items()}
    lists |= {name: text.split("|") for name, (_, text) in PHRASES.items()}
    lists["code_task"] = CODE_TASKS.split("|")
    for domain, parts in DOMAINS.items():
        for part, text in parts.items():
            lists[f"{part}@{domain}"] = text.split("|")
            lists.setdefault(part, []).extend(text.split("|"))
    return lists


def _wording(chooser: random.Random, clauses: Sequence[Sequence[str]], tag: str) -> str:
    chosen = [chooser.choice(clause) for clause in clauses]
    middle = chosen[1:-1]
    chooser.shuffle(middle)
    chosen[1:-1] = middle
    if chooser.random() < 0.3:
        chosen[0], chosen[1] = chosen[1], chosen[0]
    if chooser.random() < 0.5:
        text = "; ".join(chosen) + "."
    else:
        text = ". ".join(part[:1].upper() + part[1:] for part in chosen) + "."
    text = text.replace("{tagname}", tag).replace("{tag}", f"<{tag}>")
    return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class TextSpec:
    """Texts by number: ``family`` int32 (−1 for no text), ``variant`` and ``style`` uint64, equal lengths."""

    family: NDArray[np.int32]
    variant: U64
    style: U64

    def take(self, index: NDArray[np.int64]) -> TextSpec:
        return TextSpec(self.family[index], self.variant[index], self.style[index])


def render(families: Sequence[Family], spec: TextSpec) -> pa.Array:
    """The texts of ``spec``; null where the family is −1."""
    n = len(spec.family)
    if n == 0:
        return pa.array([], pa.string())
    order = np.argsort(spec.family, kind="stable")
    sorted_family = spec.family[order]
    starts = np.flatnonzero(np.r_[True, sorted_family[1:] != sorted_family[:-1]])
    pieces: list[pa.Array] = []
    for start, stop in zip(starts, np.r_[starts[1:], n], strict=True):
        which = int(sorted_family[start])
        rows = order[start:stop]
        if which < 0:
            pieces.append(pa.nulls(len(rows), pa.string()))
        else:
            pieces.append(families[which].texts(spec.variant[rows], spec.style[rows]))
    inverse = np.empty(n, dtype=np.int64)
    inverse[order] = np.arange(n)
    return pa.chunked_array(pieces).combine_chunks().take(index(inverse))


def patterns(language: Language, table: Mapping[str, Sequence[str]]) -> dict[str, tuple[Family, ...]]:
    """Families of a table of patterns, by capability."""
    return {name: tuple(language.family(text) for text in texts) for name, texts in table.items()}
