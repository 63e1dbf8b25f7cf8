"""The part of ``stillhunt ingest`` that listens: ``--otlp-listen``."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.text import Text

from stillhunt.cli.show import TerminalProgress, err
from stillhunt.cli.status import INTERRUPTED
from stillhunt.engines.duckdb import DuckDB
from stillhunt.errors import SettingError
from stillhunt.sketch.keys import KeyRing
from stillhunt.sources.accounts import read_accounts
from stillhunt.sources.detect import SourceSettings
from stillhunt.sources.ingest import Destination
from stillhunt.sources.otlp_http import PATHS
from stillhunt.sources.otlp_receiver import FLUSH_S, OtlpReceiver
from stillhunt.sources.receive import Listening, receive, start_lake
from stillhunt.sources.source import IngestReport


def listening(
    address: str,
    logs: list[str] | None,
    kind: str | None,
    settings: SourceSettings,
    accounts: Path | None,
    publish_s: float,
) -> tuple[OtlpReceiver, Listening]:
    """Binds the address. Raises SettingError where that is not possible, or where ``logs`` and the like are given
    too."""
    given = [name for name, value in (("LOGS", logs), ("--kind", kind), ("--map", settings.mapping)) if value]
    if given:
        raise SettingError(
            f"--otlp-listen excludes {', '.join(given)}: what arrives is OpenTelemetry",
            f"--otlp-listen, {', '.join(given)}",
            "Read files in a run of their own, with --append.",
        )
    table = None if accounts is None else read_accounts(accounts)
    how = Listening(publish_s, lambda: datetime.now(UTC), table)
    return OtlpReceiver(address, settings.trusted_proxies, flush_s=min(FLUSH_S, publish_s)), how


def receive_until_stopped(
    receiver: OtlpReceiver,
    how: Listening,
    to: Destination,
    keys: KeyRing,
    engine: DuckDB,
    progress: TerminalProgress,
) -> IngestReport:
    """Listens until Ctrl-C or SIGTERM, then ends the lake whole; a second one ends it at once, with what was added
    before."""

    def stop(number: int, _: FrameType | None) -> None:
        receiver.stop()
        signal.signal(number, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        start_lake(to)
        paths = ", ".join(PATHS)
        err.print(f"listening on {receiver.url} ({paths}); Ctrl-C ends it", markup=False, soft_wrap=True)
        if not receiver.is_local:
            err.print(
                Text.assemble(
                    ("warning: ", "bold yellow"),
                    "this address can be reached from other machines, and whoever reaches it can add rows. ",
                    "Listen on 127.0.0.1 behind a collector or proxy that knows its senders.",
                ),
                soft_wrap=True,
            )
        return receive(receiver, how, to, keys, engine, progress)
    except KeyboardInterrupt:
        err.print("interrupted; the lake holds what was added before", markup=False)
        raise SystemExit(INTERRUPTED) from None
    finally:
        receiver.close()
        for number, handler in before.items():
            signal.signal(number, handler)
