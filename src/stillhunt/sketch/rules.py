"""The table of capability rules, compiled to an automaton (spec/sketch.md, section 7).

The rules are data, in ``capability.toml``. One automaton finds every part of every phrase in a single pass.
Source: A. V. Aho, M. J. Corasick, "Efficient string matching: an aid to bibliographic search", CACM 18(6), 1975.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stillhunt.errors import SettingError
from stillhunt.schema.requests import MODEL_CAPABILITIES

GAP = 32
"""A part of a phrase that is joined by ``~`` begins at most so many bytes behind the end of the part before."""
FEATURES = ("bytes", "lines", "numbers", "marks", "question")
"""What a ``[[measure]]`` may look at: length of the whole prompt in bytes; and, of what is read, line breaks,
numbers, punctuation of program text, and whether the last character is a question mark (0 or 1)."""

# Symbols that the automaton reads, one a byte. Letters are folded; what stands inside a word is another symbol than
# what begins one. Runs of digits and of blanks are gone through in one state.
NEWLINE, SPACE, START, MARKS_FROM = 0, 1, 2, 3
MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
FOREIGN = MARKS_FROM + len(MARKS)
DIGIT, LETTERS_FROM = FOREIGN + 1, FOREIGN + 2
INSIDE = 28
"""Added to the symbol of a digit, letter or foreign character that does not begin a word."""
WORD_INSIDE = FOREIGN + INSIDE
SYMBOLS = 96

_RUNS = {
    DIGIT: (DIGIT + INSIDE,),
    DIGIT + INSIDE: (DIGIT + INSIDE,),
    SPACE: (SPACE,),
    NEWLINE: (NEWLINE, SPACE),
}
"""Symbols that, after these, change nothing: they go on with a run."""
_TABLE = "capability.toml"
_NEXT_WORD = 2
_MOST_READINGS = 768
_NO_LIMIT = 2**31 - 1


class Automaton(NamedTuple):
    """``step[state, symbol]`` is the next state. In a state from ``first_end`` on, parts of phrases end: those in
    ``ends[ends_from[e]:ends_from[e + 1]]`` with ``e = state - first_end``."""

    step: NDArray[np.uint16]
    first_end: int
    ends_from: NDArray[np.int32]
    ends: NDArray[np.int32]
    """(slot, symbols, 1 if a word must end here) of each part."""


class Rules(NamedTuple):
    """The compiled table. A slot is one part of one phrase.

    slots: (phrase, 1 if it is the last part, gap before it) of each slot. phrases: (first slot, label, weight).
    opening: which slots begin a phrase. measures: least of each feature, most of each, label, weight.
    """

    automaton: Automaton
    slots: NDArray[np.int32]
    phrases: NDArray[np.int32]
    opening: NDArray[np.bool_]
    measures: NDArray[np.int32]


@cache
def default_rules() -> Rules:
    """The table that ships with the package: a constant, compiled when first needed."""
    return compile_rules(files("stillhunt.sketch").joinpath(_TABLE).read_text(encoding="utf-8"))


def compile_rules(table: str) -> Rules:
    """Compiles a table in TOML. Raises SettingError for a rule that cannot be used."""
    try:
        content = tomllib.loads(table)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"expected TOML ({error})", _TABLE) from error
    words = {name: f"({'|'.join(listed)})" for name, listed in content.get("words", {}).items()}
    parts: list[tuple[str, int]] = []
    slots: list[tuple[int, int, int]] = []
    phrases: list[tuple[int, int, int]] = []
    for rule in content.get("rule", []):
        for phrase in rule["phrases"]:
            stages = re.split(r" ([~+]) ", _fill(phrase, words))
            first = len(slots)
            for stage in range(0, len(stages), 2):
                gap = _NEXT_WORD if stage and stages[stage - 1] == "+" else GAP
                parts += [(text, len(slots)) for text in _readings(stages[stage])]
                slots.append((len(phrases), int(stage == len(stages) - 1), gap))
            phrases.append((first, _label(rule), int(rule["weight"])))
    if not phrases:
        raise SettingError("expected a [[rule]] with phrases, found none", _TABLE)
    measures = [_measure(rule) for rule in content.get("measure", [])]
    return Rules(
        _automaton(parts),
        np.array(slots, dtype=np.int32).reshape(-1, 3),
        np.array(phrases, dtype=np.int32).reshape(-1, 3),
        np.isin(np.arange(len(slots)), [first for first, _, _ in phrases]),
        np.array(measures, dtype=np.int32).reshape(-1, 2 * len(FEATURES) + 2),
    )


def symbols_of_bytes() -> NDArray[np.uint8]:
    """The symbol that each byte stands for where it begins a word, shape (256,)."""
    table = np.full(256, FOREIGN, dtype=np.uint8)
    table[:33] = SPACE
    table[[10, 13]] = NEWLINE
    table[48:58] = DIGIT
    for letter in range(26):
        table[65 + letter] = table[97 + letter] = LETTERS_FROM + letter
    for i, mark in enumerate(MARKS):
        table[ord(mark)] = MARKS_FROM + i
    return table


def _label(rule: Mapping[str, Any]) -> int:
    if rule.get("label") not in MODEL_CAPABILITIES:
        raise SettingError(f"expected a label of {MODEL_CAPABILITIES}, got {rule.get('label')!r}", _TABLE)
    return MODEL_CAPABILITIES.index(rule["label"])


def _measure(rule: Mapping[str, Any]) -> tuple[int, ...]:
    unknown = set(rule) - set(FEATURES) - {"label", "weight"}
    if unknown:
        raise SettingError(f"expected features of {FEATURES}, got {sorted(unknown)}", _TABLE)
    spans = [rule.get(feature, {}) for feature in FEATURES]
    least = [int(span.get("least", 0)) for span in spans]
    most = [int(span.get("most", _NO_LIMIT)) for span in spans]
    return (*least, *most, _label(rule), int(rule["weight"]))


def _fill(phrase: str, words: Mapping[str, str]) -> str:
    def listed(found: re.Match[str]) -> str:
        if found[1] not in words:
            raise SettingError(f"expected a list of [words], got {found[1]!r}", _TABLE)
        return words[found[1]]

    return re.sub(r"\{([a-z]+)\}", listed, phrase)


def _readings(part: str) -> list[str]:
    """``"a (b|c|) d"`` → ``"a b d"``, ``"a c d"``, ``"a d"``; groups nest; blanks that meet become one."""
    found, rest = _alternatives(part, 0)
    if rest != len(part) or len(found) > _MOST_READINGS:
        raise SettingError(
            f"expected a part of at most {_MOST_READINGS} readings with its brackets closed, got {part!r}",
            _TABLE,
        )
    return sorted({re.sub(" +", " ", text).strip(" ") for text in found})


def _alternatives(part: str, at: int) -> tuple[list[str], int]:
    """The readings from ``at`` to the end of the group that it lies in, and where that is."""
    done: list[str] = []
    prefixes = [""]
    while at < len(part) and part[at] != ")":
        letter = part[at]
        at += 1
        if letter == "(":
            inner, at = _alternatives(part, at)
            prefixes = [prefix + text for prefix in prefixes for text in inner]
            at += 1
        elif letter == "|":
            done += prefixes
            prefixes = [""]
        else:
            if letter == "\\" and at < len(part) and part[at] in "()|":
                letter = part[at]
                at += 1
            prefixes = [prefix + letter for prefix in prefixes]
    return done + prefixes, at


def _symbol_strings(reading: str) -> Iterator[tuple[list[int], int]]:
    """What the automaton reads for ``reading``, and 1 where a word must end with it. A reading that may begin
    inside a word gives two, and so does one with an apostrophe, which may be the typographic one."""
    if "'" in reading:
        yield from _symbol_strings(reading.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"))
    bare = reading.removeprefix("*").removesuffix("*")
    symbols: list[int] = []
    if bare.startswith("^"):
        bare, symbols = bare[1:], [START, NEWLINE]
    if not bare:
        raise SettingError(f"expected a phrase, got {reading!r}", _TABLE)
    table = symbols_of_bytes()
    for byte in bare.encode("utf-8"):
        symbol = int(table[byte])
        last = symbols[-1] if symbols else SPACE
        if symbol >= FOREIGN and last >= FOREIGN:
            symbol += INSIDE
        if symbols and symbol in (SPACE, NEWLINE) and symbol == last:
            continue
        if symbol == DIGIT + INSIDE and last in (DIGIT, DIGIT + INSIDE):
            continue
        symbols.append(symbol)
    whole = int(not reading.endswith("*") and symbols[-1] >= FOREIGN)
    yield symbols, whole
    if reading.startswith("*") and symbols[0] >= FOREIGN:
        yield [symbols[0] + INSIDE, *symbols[1:]], whole


def _automaton(parts: list[tuple[str, int]]) -> Automaton:
    trie: list[dict[int, int]] = [{}]
    ends: list[list[tuple[int, int, int]]] = [[]]
    for reading, slot in parts:
        for symbols, whole in _symbol_strings(reading):
            state = 0
            for symbol in symbols:
                following = trie[state].get(symbol)
                if following is None:
                    following = trie[state][symbol] = len(trie)
                    trie.append({})
                    ends.append([])
                state = following
            ends[state].append((slot, len(symbols), whole))
    if len(trie) >= 2**16:
        raise SettingError(f"expected fewer than 65,536 states, got {len(trie)}", _TABLE)
    step = np.zeros((len(trie), SYMBOLS), dtype=np.uint16)
    shorter = [0] * len(trie)
    queue = [0]
    for state in queue:
        if state:
            own = step[state].copy()
            step[state] = np.where(own == state, own, step[shorter[state]])
        for symbol, following in trie[state].items():
            shorter[following] = int(step[shorter[state], symbol]) if state else 0
            if ends[shorter[following]]:
                ends[following] = ends[following] + ends[shorter[following]]
            queue.append(following)
        for symbol, following in trie[state].items():
            step[state, symbol] = following
            for again in _RUNS.get(symbol, ()):
                step[following, again] = following
    return _with_ends_last(step, ends)


def _with_ends_last(step: NDArray[np.uint16], ends: list[list[tuple[int, int, int]]]) -> Automaton:
    """Numbers the states so that those where a part ends come last."""
    order = sorted(range(len(ends)), key=lambda state: bool(ends[state]))
    number = np.empty(len(order), dtype=np.uint16)
    number[order] = np.arange(len(order))
    ending = [ends[state] for state in order if ends[state]]
    flat = [end for found in ending for end in found]
    return Automaton(
        number[step[order]],
        len(order) - len(ending),
        np.cumsum([0, *(len(found) for found in ending)]).astype(np.int32),
        np.array(flat, dtype=np.int32).reshape(-1, 3),
    )
