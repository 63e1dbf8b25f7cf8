"""Run by test_open_weights.py in the environment that has torch and transformers; prints one JSON object of results."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from stillhunt.errors import InputError
from stillhunt.marks.windows import documents, windows_of
from stillhunt.schema.progress import Silent
from stillhunt.trace.open_weights import load_readings, read_texts, save_readings

torch.set_num_threads(1)
VOCABULARY, SPAN, WIDTH = 50, 64, 2


def model() -> GPT2LMHeadModel:
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=SPAN,
        n_embd=16,
        n_layer=1,
        n_head=2,
        bos_token_id=0,
        eos_token_id=None,
    )
    return GPT2LMHeadModel(config).eval()


def refused(attempt: object) -> str:
    try:
        attempt()  # type: ignore[operator]
    except InputError as error:
        return error.problem
    return ""


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    lm = model()
    lm.save_pretrained(folder / "suspect")
    rng = np.random.default_rng(5)
    rows = [rng.integers(0, VOCABULARY, n).tolist() for n in (40, 1, 30, 200)]
    asked = [[], [], rng.integers(0, VOCABULARY, 10).tolist(), [7, 7]]
    texts = documents(rows, asked)
    read = read_texts(folder / "suspect", texts, WIDTH, Silent(), top=8)
    windows = windows_of(texts, WIDTH, context="skip", unique="context")
    worst = 0.0
    with torch.inference_mode():
        for at in range(len(windows)):
            which, place = int(windows.document[at]), int(windows.position[at])
            if which == 3:
                continue  # longer than the model reads at a time
            seen = torch.tensor([asked[which] + rows[which][:place]])
            wanted = torch.softmax(lm(seen).logits[0, -1].double(), dim=-1)
            for token, probability in zip(read.candidates[at], read.probabilities[at], strict=True):
                worst = max(worst, abs(float(wanted[int(token)]) - probability))
            assert set(read.candidates[at].tolist()) == set(torch.topk(wanted, 8).indices.tolist())
    save_readings(read, folder / "read.parquet")
    again = load_readings(folder / "read.parquet")
    print(
        json.dumps(
            {
                "worst": worst,
                "rows": len(read.contexts),
                "windows": len(windows),
                "long": int((windows.document == 3).sum()),
                "sums": [
                    float(read.probabilities.sum(axis=1).min()),
                    float(read.probabilities.sum(axis=1).max()),
                ],
                "again": bool(
                    (again.contexts == read.contexts).all()
                    and (again.candidates == read.candidates).all()
                    and (again.probabilities == read.probabilities).all()
                ),
                "beyond": refused(
                    lambda: read_texts(folder / "suspect", documents([[1, 2, VOCABULARY]]), WIDTH, Silent())
                ),
                "nothing": refused(lambda: read_texts(folder, texts, WIDTH, Silent())),
            }
        )
    )
