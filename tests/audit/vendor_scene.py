"""A simulated vendor with a real issuer, the buyer's gateway in front of it, and the invoice; honest or with faults."""

from __future__ import annotations

import csv
import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from receipts.receipt_scene import NAME, fixed_keys, seed
from stillhunt.receipts.commitments import commit, request_commitment, response_commitment
from stillhunt.receipts.issuer import Answer, Issuer, IssuerSettings

BEGIN = datetime(2026, 11, 2, tzinfo=UTC)
MODELS = {"example-large-2": (3.0, 15.0), "example-small-1": (0.25, 1.25)}
"""Prices per million input and output tokens."""
FOCUS = (
    *("BillingCurrency", "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "SkuMeter", "ResourceId"),
    *("ConsumedQuantity", "ConsumedUnit", "ContractedUnitPrice", "PricingUnit", "BilledCost"),
    "ServiceProviderName",
)
APPLICATIONS = (("support-bot", "key-a"), ("code-review", "key-b"), ("reports", "key-b"))


@dataclass(frozen=True)
class Faults:
    """What the vendor does wrong. ``dropped``: share of receipts not handed over. ``overbilled``: share that is added
    to ``what`` (``tokens`` or ``cost``)."""

    swapped: int = 0
    dropped: float = 0.0
    withheld: bool = True
    overbilled: float = 0.0
    what: str = "tokens"
    altered: int = 0


@dataclass
class Vendor:
    """Files of one simulated month. ``withheld``: dropped receipts were issued and not handed over; otherwise they were
    never issued, so that the chain has no gap."""

    folder: Path
    seed: int = 0
    exchanges: int = 600
    days: int = 6
    faults: Faults = field(default_factory=Faults)
    by: str = "id"
    begin: datetime = BEGIN
    truth: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._run()

    @property
    def arguments(self) -> list[str]:
        """Arguments of ``stillhunt audit`` for what the buyer holds."""
        named = {
            "receipts": "receipts.jsonl",
            "trust": "trust.txt",
            "log": "store/log",
            "invoice": "invoice.csv",
        }
        options = [part for name, file in named.items() for part in (f"--{name}", str(self.folder / file))]
        return [str(self.folder / "gateway.jsonl"), *options, "--terms", str(self.folder / "terms.toml")]

    def _run(self) -> None:
        keys = fixed_keys()
        now = [0]
        issuer = Issuer(self.folder / "store", keys, IssuerSettings(), now_ms=lambda: now[0])
        times = sorted(
            self.begin + timedelta(seconds=self.random.uniform(0, self.days * 86400))
            for _ in range(self.exchanges)
        )
        picked = self.random.sample(range(self.exchanges), self.exchanges)
        swapped, rest = set(picked[: self.faults.swapped]), picked[self.faults.swapped :]
        altered, rest = set(rest[: self.faults.altered]), rest[self.faults.altered :]
        drops = set(rest[: round(self.faults.dropped * self.exchanges)])
        done = sorted(
            (
                (time + timedelta(milliseconds=self.random.randint(200, 20_000)), time, n)
                for n, time in enumerate(times)
            )
        )
        rows, ids = [], []
        for end, time, n in done:
            now[0] = int(end.timestamp() * 1000)
            row, receipt = self._exchange(
                issuer, n, time, end, n in swapped, not (n in drops and not self.faults.withheld)
            )
            if n in altered and row["response_body"] is not None:
                row["response_body"] = row["response_body"].replace("answer", "anzwer")
                self.truth["altered"].append(row["request_id"])
            if n in drops:
                self.truth["dropped"].append(row["request_id"])
            if receipt and n not in drops:
                ids.append(receipt)
            rows.append(row)
        issuer.flush()
        documents = [issuer.document(one) for one in ids]
        issuer.close()
        self._write(rows, [one.encode() for one in documents if one is not None], keys.trust())

    def _exchange(
        self, issuer: Issuer, n: int, time: datetime, end: datetime, swap: bool, issue: bool
    ) -> tuple[dict[str, Any], str]:
        application, key = self.random.choice(APPLICATIONS)
        model = "example-large-2" if swap else self.random.choice(list(MODELS))
        answered_by = "example-small-1" if swap else model + "-2026-08-01"
        tokens = self.random.randint(20, 4000), self.random.randint(1, 900)
        request = json.dumps({"model": model, "messages": [{"role": "user", "content": f"question {n}"}]})
        response = json.dumps(
            {
                "model": answered_by,
                "choices": [{"message": {"content": f"answer {n}"}}],
                "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]},
            }
        )
        if swap:
            self.truth["swapped"].append(f"r-{n}")
        receipt = ""
        if issue:
            nonce = seed(f"{self.seed} {n}")
            document = issuer.promise(
                Answer(
                    "buyer",
                    commit(request_commitment(nonce), request.encode()),
                    commit(response_commitment(nonce), response.encode()),
                    nonce,
                    answered_by,
                    *tokens,
                )
            )
            receipt = document.receipt.id
        row = {
            "time": time.isoformat(),
            "request_id": f"r-{n}",
            "account_id": application,
            "api_key_id": key,
            "model": model,
            "input_tokens": tokens[0],
            "output_tokens": tokens[1],
            "status": 200,
            "latency_ms": int((end - time).total_seconds() * 1000),
            "prompt": f"question {n}",
            "receipt_id": receipt if self.by == "id" else None,
            "request_body": request if self.by != "time" else None,
            "response_body": response if self.by != "time" else None,
        }
        return row, receipt

    def _write(self, rows: list[dict[str, Any]], receipts: list[str], trust: str) -> None:
        (self.folder / "gateway.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (self.folder / "receipts.jsonl").write_text("".join(line + "\n" for line in receipts))
        (self.folder / "trust.txt").write_text(trust)
        prices = "".join(
            f'[prices."{model}"]\ninput_tokens = {p[0]}\noutput_tokens = {p[1]}\n'
            for model, p in MODELS.items()
        )
        (self.folder / "terms.toml").write_text(
            f'vendor = "{NAME}"\n[data_classes]\nsupport-bot = "customer data"\n{prices}'
        )
        self._write_invoice(rows)

    def _write_invoice(self, rows: list[dict[str, Any]]) -> None:
        sums: dict[tuple[str, str, str, str], int] = defaultdict(int)
        for row in rows:
            day = row["time"][:10]  # by the start; by the end where that is another day
            end = datetime.fromisoformat(row["time"]) + timedelta(milliseconds=row["latency_ms"])
            day = end.date().isoformat() if self.seed % 2 else day
            for what in ("input", "output"):
                sums[day, row["model"], row["api_key_id"], what] += row[f"{what}_tokens"]
        more = 1 + self.faults.overbilled
        with (self.folder / "invoice.csv").open("w", newline="") as file:
            out = csv.DictWriter(file, FOCUS)
            out.writeheader()
            for (day, model, key, what), count in sorted(sums.items()):
                price = MODELS[model][what == "output"]
                quantity = count * more if self.faults.what == "tokens" else count
                start = datetime.fromisoformat(day).replace(tzinfo=UTC)
                out.writerow(
                    {
                        "BillingCurrency": "USD",
                        "ChargePeriodStart": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                        "ChargePeriodEnd": f"{start + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
                        "ChargeCategory": "Usage",
                        "SkuMeter": f"{model} {what} tokens",
                        "ResourceId": key,
                        "ConsumedQuantity": f"{quantity / 1000:.3f}",
                        "ConsumedUnit": "1K Tokens",
                        "ContractedUnitPrice": price,
                        "PricingUnit": "1M Tokens",
                        "BilledCost": f"{count * more * price / 1e6:.4f}",
                        "ServiceProviderName": "Example",
                    }
                )
