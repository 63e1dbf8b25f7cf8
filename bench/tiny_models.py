"""Small language models for ``bench.radioactivity``: train one, let it answer, let it read. Runs in the environment
that has torch: ``python -m bench.tiny_models TASKS.json THREADS``; one task after another, each with its files.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from stillhunt.marks.embed import Marker
from stillhunt.marks.keys import SubKey
from stillhunt.marks.profile import profile_from_json
from stillhunt.marks.schemes import Scheme, sample, scheme_of
from stillhunt.trace.open_weights import Readings, save_readings


@dataclass(frozen=True)
class Shape:
    """Of a model: vocabulary, longest text in tokens, layers, heads and width."""

    vocabulary: int = 1024
    longest: int = 96
    layers: int = 4
    heads: int = 4
    width: int = 128


class Model(nn.Module):
    """A causal transformer whose output shares its input embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token = nn.Embedding(shape.vocabulary, shape.width)
        self.place = nn.Embedding(shape.longest, shape.width)
        self.blocks = nn.ModuleList(_Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        for part in self.modules():
            if isinstance(part, nn.Linear | nn.Embedding):
                nn.init.normal_(part.weight, std=0.02)

    def forward(self, ids: torch.Tensor, kept: list[_Kept] | None = None) -> torch.Tensor:
        """Logits (rows, length, vocabulary). kept: what earlier calls saw of the same rows; grows."""
        begin = kept[0].length if kept else 0
        x = self.token(ids) + self.place(torch.arange(begin, begin + ids.shape[1]))
        for number, block in enumerate(self.blocks):
            x = block(x, None if kept is None else kept[number])
        return functional.linear(self.norm(x), self.token.weight)


class _Kept:
    """Keys and values of the tokens so far."""

    def __init__(self) -> None:
        self.length = 0
        self.parts: tuple[torch.Tensor, torch.Tensor] | None = None

    def grown(self, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.parts is not None:
            key, value = torch.cat([self.parts[0], key], 2), torch.cat([self.parts[1], value], 2)
        self.parts, self.length = (key, value), key.shape[2]
        return key, value


class _Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.before, self.after = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)
        self.mix, self.out = nn.Linear(shape.width, 3 * shape.width), nn.Linear(shape.width, shape.width)
        self.wide, self.narrow = (
            nn.Linear(shape.width, 4 * shape.width),
            nn.Linear(4 * shape.width, shape.width),
        )

    def forward(self, x: torch.Tensor, kept: _Kept | None) -> torch.Tensor:
        rows, length, width = x.shape
        parts = self.mix(self.before(x)).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        if kept is not None:
            key, value = kept.grown(key, value)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=length > 1)
        x = x + self.out(seen.transpose(1, 2).reshape(rows, length, width))
        return x + self.narrow(functional.gelu(self.wide(self.after(x))))


def corpus(task: dict[str, Any]) -> dict[str, Any]:
    """Rows of tokens from a text, by a byte-level vocabulary that is made from it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    text = Path(task["text"]).read_text(encoding="utf-8")
    maker = Tokenizer(models.BPE())
    maker.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    maker.decoder = decoders.ByteLevel()
    pieces = [text[at : at + 5_000] for at in range(0, len(text), 5_000)]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    maker.train_from_iterator(
        pieces,
        trainers.BpeTrainer(vocab_size=task["vocabulary"], initial_alphabet=alphabet, show_progress=False),
    )
    ids = np.concatenate([np.array(one.ids, dtype=np.uint32) for one in maker.encode_batch(pieces)])
    rows = ids[: len(ids) // task["length"] * task["length"]].reshape(-1, task["length"])
    np.random.default_rng(0).shuffle(rows)
    np.save(task["out"], rows)
    return {"rows": len(rows)}


def reworded(task: dict[str, Any]) -> dict[str, Any]:
    """Rows with a share of their tokens drawn anew, each after the tokens that stood before it: what is left of a text
    whose words another model replaced."""
    model, rows = load(Path(task["model"])), np.load(task["rows"]).astype(np.int64)
    rng = np.random.default_rng(task["seed"])
    changed = rows.copy()
    with torch.inference_mode():
        for at in range(0, len(rows), 256):
            some = rows[at : at + 256]
            logits = model(torch.from_numpy(some))[:, :-1].double().numpy()
            drawn = sample(logits.reshape(-1, logits.shape[-1]), rng).reshape(len(some), -1)
            swap = rng.random(drawn.shape) < task["share"]
            changed[at : at + 256, 1:] = np.where(swap, drawn, some[:, 1:])
    np.save(task["out"], changed.astype(np.uint32))
    return {}


def train(task: dict[str, Any]) -> dict[str, Any]:
    """Trains on rows of tokens; ``from``: goes on with a model. Writes it, and says the loss of held-out rows."""
    torch.manual_seed(task["seed"])
    rows = torch.from_numpy(np.load(task["rows"]).astype(np.int64))
    model = load(Path(task["from"])) if "from" in task else Model(Shape(**task["shape"]))
    held, rows = rows[: len(rows) // 50 + 1], rows[len(rows) // 50 + 1 :]
    steps = math.ceil(len(rows) / task["batch"]) * task["epochs"]
    optimiser = torch.optim.AdamW(model.parameters(), lr=task["rate"], betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, task["rate"], total_steps=steps + 1, pct_start=0.1
    )
    for epoch in range(task["epochs"]):
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(task["seed"] + epoch))
        for some in order.split(task["batch"]):
            loss = _loss(model, rows[some])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    with torch.inference_mode():
        left = float(np.mean([float(_loss(model, some)) for some in held.split(256)]))
    torch.save({"shape": asdict(model.shape), "weights": model.state_dict()}, task["out"])
    return {"loss": left, "parameters": sum(part.numel() for part in model.parameters())}


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Answers of ``length`` tokens to prompts (rows, prompt length); marked where there is a scheme."""
    model, prompts = load(Path(task["model"])), np.load(task["prompts"]).astype(np.int64)
    scheme = _scheme(task)
    rng = np.random.default_rng(task["seed"])
    made = [
        _answers(
            model, prompts[at : at + task["rows"]], task["length"], scheme, rng, task.get("temperature", 1.0)
        )
        for at in range(0, len(prompts), task["rows"])
    ]
    np.save(task["out"], np.concatenate(made).astype(np.uint32))
    return {}


def read(task: dict[str, Any]) -> dict[str, Any]:
    """The model's most probable tokens after each context of rows, where it is met first."""
    model, rows = load(Path(task["model"])), np.load(task["rows"]).astype(np.int64)
    width, top = task["width"], task["top"]
    flat = np.lib.stride_tricks.sliding_window_view(rows, width, axis=1)[:, :-1].reshape(-1, width)
    _, first = np.unique(flat, axis=0, return_index=True)
    first = np.sort(first)
    each = rows.shape[1] - width
    candidates, probabilities = [], []
    with torch.inference_mode():
        for at in range(0, len(rows), 256):
            some = rows[at : at + 256]
            mine = first[(first >= at * each) & (first < (at + len(some)) * each)] - at * each
            if len(mine):
                logits = model(torch.from_numpy(some))[mine // each, mine % each + width - 1]
                best = torch.topk(torch.softmax(logits.double(), -1), top, -1)
                candidates.append(best.indices.numpy().astype(np.uint32))
                probabilities.append(best.values.numpy())
    save_readings(
        Readings(flat[first].astype(np.uint32), np.concatenate(candidates), np.concatenate(probabilities)),
        Path(task["out"]),
    )
    return {}


def load(path: Path) -> Model:
    """A model that ``train`` wrote."""
    content = torch.load(path, weights_only=True)
    model = Model(Shape(**content["shape"]))
    model.load_state_dict(content["weights"])
    return model.eval()


def _loss(model: Model, rows: torch.Tensor) -> torch.Tensor:
    logits = model(rows[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


def _answers(
    model: Model,
    prompts: NDArray[np.int64],
    length: int,
    scheme: Scheme | None,
    rng: np.random.Generator,
    temperature: float,
) -> NDArray[np.int64]:
    kept = [_Kept() for _ in model.blocks]
    marker = None if scheme is None else Marker(scheme, len(prompts), context="skip")
    made = np.zeros((len(prompts), length), dtype=np.int64)
    with torch.inference_mode():
        logits = model(torch.from_numpy(prompts), kept)[:, -1]
        for place in range(length):
            row = logits.double().numpy() / temperature
            made[:, place] = sample(row, rng) if marker is None else marker.choose(row, rng)
            if place + 1 < length:
                logits = model(torch.from_numpy(made[:, place : place + 1]), kept)[:, -1]
    return made


def _scheme(task: dict[str, Any]) -> Scheme | None:
    if task.get("profile") is None:
        return None
    return scheme_of(profile_from_json(task["profile"]), SubKey(bytes.fromhex(task["subkey"])))


TASKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "corpus": corpus,
    "train": train,
    "answer": answer,
    "reworded": reworded,
    "read": read,
}


def main() -> None:
    """Does the tasks of a file in turn; the last line that it prints is what they gave."""
    torch.set_num_threads(int(sys.argv[2]))
    results = []
    for task in json.loads(Path(sys.argv[1]).read_text()):
        began = time.perf_counter()
        results.append({**TASKS[task["do"]](task), "seconds": time.perf_counter() - began})
    print(json.dumps(results))


if __name__ == "__main__":
    main()
