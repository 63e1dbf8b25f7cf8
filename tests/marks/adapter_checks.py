"""Run by test_adapters.py in the environment that has torch and transformers; prints one JSON object of results."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LogitsProcessorList, SynthIDTextWatermarkingConfig
from transformers.generation.logits_process import SynthIDTextWatermarkLogitsProcessor

from stillhunt.errors import SettingError
from stillhunt.marks.adapters.transformers import MarkProcessor
from stillhunt.marks.detect import detect
from stillhunt.marks.keys import KeyPath, SubKey, create_key
from stillhunt.marks.profile import PRESETS, Profile
from stillhunt.marks.schemes import scheme_of, uniforms
from stillhunt.marks.synthid import SynthId, sampling_table
from stillhunt.marks.tickets import bucket_ticket
from stillhunt.marks.windows import documents
from stillhunt.marks.words import PhiloxWords

torch.set_num_threads(1)
SECRET = SubKey(bytes(range(32)))
VOCABULARY = 600


def model() -> GPT2LMHeadModel:
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=256,
        n_embd=32,
        n_layer=1,
        n_head=2,
        bos_token_id=0,
        eos_token_id=None,
    )
    return GPT2LMHeadModel(config).eval()


def prompts(rows: int) -> torch.Tensor:
    return torch.randint(1, VOCABULARY, (rows, 6), generator=torch.Generator().manual_seed(2))


def generate(lm: GPT2LMHeadModel, rows: int, length: int, **options: object) -> list[list[int]]:
    ids = prompts(rows)
    torch.manual_seed(3)
    out = lm.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        top_p=0.95,
        max_new_tokens=length,
        pad_token_id=0,
        **options,
    )
    return out[:, 6:].tolist()


def synthid_of_transformers(lm: GPT2LMHeadModel) -> dict[str, object]:
    keys = list(SECRET.synthid_keys(20))
    processor = SynthIDTextWatermarkLogitsProcessor(
        ngram_len=5, keys=keys, sampling_table_size=65536, sampling_table_seed=7, context_history_size=1024,
        device=torch.device("cpu"),
    )  # fmt: skip
    ours = SynthId(tuple(keys), 4, sampling_table(65536, 7))
    grams = torch.randint(0, 2**31, (1, 400), generator=torch.Generator().manual_seed(5))
    theirs = processor.compute_g_values(grams)[0].numpy()
    flat = grams[0].numpy().astype(np.uint32)
    contexts = np.stack([flat[i : i + 4] for i in range(len(flat) - 4)])
    scores = torch.randn(3, VOCABULARY, generator=torch.Generator().manual_seed(6)) * 3
    rows = contexts[:3]
    g = processor._compute_keys(
        torch.from_numpy(rows.astype(np.int64)), torch.arange(VOCABULARY)[None].expand(3, -1)
    )[0]
    reweighed = processor.update_scores(scores, processor.sample_g_values(g)).double().exp().numpy()
    config = SynthIDTextWatermarkingConfig(keys=keys, ngram_len=5, sampling_table_seed=7)
    made = generate(lm, 3, 60, watermarking_config=config)
    marked = detect(documents(made), ours)
    other = SynthId(SubKey(bytes(32)).synthid_keys(20), 4, sampling_table(65536, 7))
    return {
        "bits_equal": bool(np.array_equal(theirs, ours.bits(contexts, flat[4:]))),
        "tables_equal": bool(np.array_equal(processor.sampling_table.numpy(), ours.table)),
        "reweighing_differs_by": float(np.abs(reweighed - ours.reweigh(scores.numpy(), rows)).max()),
        "own_key": marked.log10_p,
        "other_key": detect(documents(made), other).log10_p,
    }


def processors(lm: GPT2LMHeadModel) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in ("vllm", "vllm-dual", "sglang", "sglang-dual", "radioactive", "transformers-synthid"):
        profile = PRESETS[name]
        scheme = scheme_of(profile, SECRET)
        processor = MarkProcessor(scheme, context=profile.context, seed=4)
        made = generate(lm, 3, 60, logits_processor=LogitsProcessorList([processor]))
        texts = documents(made, prompts(3).tolist())
        found[name] = detect(texts, scheme, context=profile.context).log10_p
        other = scheme_of(profile, SubKey(bytes(32)))
        found[f"{name}, other key"] = detect(texts, other, context=profile.context).log10_p
    plain = documents(generate(lm, 3, 60))
    found["unmarked"] = detect(plain, scheme_of(PRESETS["vllm"], SECRET)).log10_p
    return found


def refusals(lm: GPT2LMHeadModel) -> dict[str, str]:
    processor = MarkProcessor(scheme_of(PRESETS["vllm"], SECRET))
    generate(lm, 2, 5, logits_processor=LogitsProcessorList([processor]))
    said = {}
    for name, options in {
        "second call": {"logits_processor": LogitsProcessorList([processor])},
        "beams": {
            "logits_processor": LogitsProcessorList([MarkProcessor(scheme_of(PRESETS["vllm"], SECRET))]),
            "num_beams": 3,
        },
    }.items():
        try:
            generate(lm, 2, 5, **options)
        except SettingError as error:
            said[name] = error.problem
    return said


def gumbel_choice_in_torch() -> bool:
    """The choice of vLLM's CPU path, written with torch: argmax of logits plus -log(-log u) in float32."""
    scheme = scheme_of(PRESETS["vllm"], SECRET)
    words = PhiloxWords(SECRET.engine_key)
    contexts = np.random.default_rng(1).integers(0, VOCABULARY, (300, 4)).astype(np.uint32)
    logits = torch.randn(300, VOCABULARY, generator=torch.Generator().manual_seed(9)) * 2
    u = torch.from_numpy(uniforms(words.table(contexts, VOCABULARY), "philox").copy())
    theirs = torch.argmax(logits + -torch.log(-torch.log(u)), dim=-1).numpy()
    return bool(np.array_equal(theirs, scheme.choose(logits.numpy(), contexts, np.random.default_rng(0))))


def vllm_interface(folder: Path) -> dict[str, object]:
    """BucketMark against the interface as vLLM documents it, without vLLM: a base class and two records."""
    names = {
        "LogitsProcessor": type("LogitsProcessor", (), {}),
        "BatchUpdate": type("BatchUpdate", (), {}),
        "MoveDirectionality": SimpleNamespace(SWAP="swap", UNIDIRECTIONAL="one way"),
    }
    for package in ("vllm", "vllm.v1", "vllm.v1.sample", "vllm.v1.sample.logits_processor"):
        sys.modules[package] = types.ModuleType(package)
    vars(sys.modules["vllm.v1.sample.logits_processor"]).update(names)
    from stillhunt.marks.adapters.vllm import BucketMark, refuse

    key = create_key(folder / "mark.key")
    settings = {"key_file": str(folder / "mark.key"), "purpose": "answers", "epoch": "e1", "delta": 4.0}
    config = SimpleNamespace(additional_config={"stillhunt_mark": settings}, speculative_config=None)
    processor = BucketMark(config, torch.device("cpu"), False)
    ticket = bucket_ticket(key, "acct-1", "e1", 8)
    bucket = ticket.partition(".")[0]
    forged = f"{bucket}.{'0' * 32}"
    outputs: list[list[int]] = [[], [], []]
    params = [
        SimpleNamespace(extra_args=args)
        for args in ({"stillhunt_bucket": ticket}, None, {"stillhunt_bucket": forged})
    ]
    added = [(row, params[row], [1, 2], outputs[row]) for row in range(3)]
    processor.update_state(SimpleNamespace(removed=[], added=added, moved=[]))
    processor.update_state(SimpleNamespace(removed=[], added=[], moved=[(0, 1, "swap")]))
    order = [1, 0, 2]  # batch row of each output list after the swap
    generator = torch.Generator().manual_seed(11)
    for _ in range(90):
        logits = processor.apply(torch.randn(3, VOCABULARY, generator=generator))
        drawn = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0].tolist()
        for row, output in enumerate(outputs):
            output.append(drawn[order[row]])
        processor.update_state(None)
    profile = Profile(scheme="green", width=1, delta=4.0)
    keyed = scheme_of(profile, key.subkey(KeyPath("answers", "e1", bucket)))
    unnamed = scheme_of(profile, key.subkey(KeyPath("answers", "e1", "")))
    table = {
        f"row {row}, {name}": detect(documents([outputs[row]]), scheme).log10_p
        for row in range(3)
        for name, scheme in (("bucket", keyed), ("no bucket", unnamed))
    }
    return {"table": table, "said": _said(processor, refuse, profile, outputs)}


def _said(processor: object, refuse: object, profile: Profile, outputs: list[list[int]]) -> dict[str, str]:
    on = SimpleNamespace(async_scheduling=True)
    attempts = {
        "gumbel": lambda: refuse(SimpleNamespace(), PRESETS["vllm"]),
        "synthid": lambda: refuse(SimpleNamespace(), PRESETS["transformers-synthid"]),
        "speculative": lambda: refuse(SimpleNamespace(speculative_config={"method": "mtp"}), profile),
        "async": lambda: refuse(SimpleNamespace(scheduler_config=on), profile),
        "v2": lambda: refuse(SimpleNamespace(use_v2_model_runner=True), profile),
        "placeholder": lambda: (outputs[0].append(-1), processor.apply(torch.zeros(3, VOCABULARY))),
        "unannounced": lambda: processor.apply(torch.zeros(4, VOCABULARY)),
        "settings": lambda: type(processor)(SimpleNamespace(additional_config=None), None, False),
        "ticket": lambda: processor.validate_params(SimpleNamespace(extra_args={"stillhunt_bucket": "17"})),
    }
    said = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except (SettingError, ValueError) as error:
            said[name] = str(error)
    return said


if __name__ == "__main__":
    lm = model()
    results = {
        "synthid": synthid_of_transformers(lm),
        "processors": processors(lm),
        "refusals": refusals(lm),
        "gumbel_choice_equal": gumbel_choice_in_torch(),
        "vllm": vllm_interface(Path(sys.argv[1])),
    }
    print(json.dumps(results))
