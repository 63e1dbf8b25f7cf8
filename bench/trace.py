# ruff: noqa: A005  (the contract names this benchmark)
"""Which family taught a model, by texts alone: 25 real models, four with a documented teacher.

    python -m bench.trace [--scale small|full]

Needs ../shared/data. small and full are the same: seconds. Families, bases and documented lineage stand here; the
method knows none of them. Exit status 1 when a documented teacher is not first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from bench.exchanges import DATA, read_lines
from bench.result import Row, show, write
from numpy.typing import NDArray

from stillhunt.trace.likeness import centred, likeness
from stillhunt.trace.lineage import Candidate, attribute

FAMILIES = {
    "davinci": ["text_davinci_003", "text_davinci_001"],
    "gpt-3.5": ["gpt-3.5-turbo-0613"],
    "gpt-4": ["gpt4_1106_preview", "gpt4_0613", "gpt-4o-2024-05-13"],
    "claude": ["claude-2", "claude-3-opus-20240229"],
    "llama-chat": ["llama-2-70b-chat-hf", "Meta-Llama-3-8B-Instruct"],
    "mistral": ["Mistral-7B-Instruct-v0.2", "Mixtral-8x7B-Instruct-v0.1", "mistral-medium"],
    "cohere": ["cohere"],
    "gemini": ["gemini-pro"],
    "qwen": ["Qwen1.5-14B-Chat", "Qwen1.5-72B-Chat"],
    "yi": ["Yi-34B-Chat"],
    "deepseek": ["deepseek-llm-67b-chat"],
    "dbrx": ["dbrx-instruct"],
    "tulu": ["tulu-2-dpo-13b"],
}
TAUGHT_BY = {
    "alpaca-7b": "davinci",
    "vicuna-7b-v1.5": "gpt-3.5",
    "vicuna-13b-v1.5": "gpt-3.5",
    "wizardlm-13b-v1.2": "gpt-3.5",
}
"""By their model cards."""
LLAMA_2 = ("llama-2-70b-chat-hf", "tulu-2-dpo-13b", "vicuna-7b-v1.5", "vicuna-13b-v1.5", "wizardlm-13b-v1.2")
BASES = {**dict.fromkeys(LLAMA_2, "llama-2"), "alpaca-7b": "llama-1"}
SPELT = "{:20} {:10} {:>5} {:>6} {:>10} {:>5} {:>7} {:>6} {:>7}  {:17} {}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables; 0 when every documented teacher's family is first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scale", choices=("small", "full"), default="full")
    parser.parse_args(arguments)
    models, alike = _read()
    others = [m for m in models if m not in TAUGHT_BY]
    naive = centred(alike)
    print(
        SPELT.format(
            "suspect", "family", "rank", "naive", "other base", "n", "p", "floor", "Holm", "word", "first"
        )
    )
    rows: list[Row] = []
    for suspect, teacher in TAUGHT_BY.items():
        found = attribute(alike, models, suspect, FAMILIES, others, bases=BASES)
        order = [one.family for one in found]
        taught = found[order.index(teacher)]
        apart = [one.family for one in found if not one.shares_base]
        old = _naive_order(naive, models, suspect).index(teacher) + 1
        _line(suspect, taught, old, apart.index(teacher) + 1, found[0])
        ranks = {"rank": taught.rank, "rank among other bases": apart.index(teacher) + 1, "naive rank": old}
        for metric, value in ranks.items():
            rows.append(Row(suspect, metric, value, f"of {len(found)}", n=taught.controls))
        asked = attribute(alike, models, suspect, FAMILIES, others, bases=BASES, named=teacher)
        named = next(one for one in asked if one.family == teacher)
        rows.append(Row(suspect, "p", taught.p, "conformal", n=taught.controls, low=taught.floor))
        rows.append(Row(suspect, "p after Holm", taught.p_holm, "conformal", n=taught.controls))
        rows.append(Row(suspect, "established when named beforehand", named.word == "established", "0 or 1"))
    words = []
    for suspect in others:
        rest = {family: group for family, group in FAMILIES.items() if suspect not in group}
        found = attribute(alike, models, suspect, rest, others, bases=BASES)
        words.append(found[0].word)
        if words[-1] != "not established":
            _line(
                suspect,
                found[0],
                _naive_order(naive, models, suspect, rest).index(found[0].family) + 1,
                0,
                found[0],
            )
    for word in ("not established", "leading candidate", "established"):
        rows.append(Row("no documented teacher", word, words.count(word), "models", n=len(words)))
    kin = [_kin(alike, models, suspect) for group in FAMILIES.values() if len(group) > 1 for suspect in group]
    rows.append(
        Row("other models of one family", "own family first", float(np.mean(kin)), "share", n=len(kin))
    )
    show(rows)
    write("trace", rows)
    return 0 if all(r.value == 1 for r in rows if r.metric == "rank") else 1


def _read() -> tuple[list[str], NDArray[np.float64]]:
    text: dict[str, dict[str, str]] = {}
    for row in read_lines(DATA / "models" / "alpaca_eval_answers.jsonl.zst"):
        text.setdefault(row["instruction"], {})[row["model"]] = row["output"]
    models = list(dict.fromkeys(model for given in text.values() for model in given))
    return models, likeness(list(text), [[given.get(m, "") for m in models] for given in text.values()])


def _naive_order(
    naive: NDArray[np.float64], models: list[str], suspect: str, families: dict[str, list[str]] = FAMILIES
) -> list[str]:
    row = dict(zip(models, naive[models.index(suspect)].tolist(), strict=True))
    return sorted(families, key=lambda family: -max(row[m] for m in families[family]))


def _kin(alike: NDArray[np.float64], models: list[str], suspect: str) -> bool:
    others = [m for m in models if m not in TAUGHT_BY]
    return suspect in FAMILIES[attribute(alike, models, suspect, FAMILIES, others)[0].family]


def _line(suspect: str, one: Candidate, naive: int, apart: int, first: Candidate) -> None:
    print(
        SPELT.format(
            suspect[:20],
            one.family,
            one.rank,
            naive,
            apart or "–",
            one.controls,
            f"{one.p:.3f}",
            f"{one.floor:.3f}",
            f"{one.p_holm:.3f}",
            one.word,
            f"{first.family}: {first.word}",
        )
    )


if __name__ == "__main__":
    raise SystemExit(main())
