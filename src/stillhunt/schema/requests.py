"""``requests``: one row per exchange (contract, section 1).

``REQUESTS`` holds every column that a log may have. ``LAKE_REQUESTS`` is what ``ingest`` writes when text is not
retained: the text columns are replaced by keyed sketches, lengths and a capability label (spec/sketch.md).
"""

from __future__ import annotations

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")

PROMPT_CODE_BYTES = 8
"""Width of ``prompt_sketch`` in a row: a 4-byte template band, then a 4-byte digest of the exact text."""
SYSTEM_CODE_BYTES = 4
"""Width of ``system_sketch`` in a row: a template band."""
COMPLETION_CODE_BYTES = 4
"""Width of ``completion_sketch`` in a row: a digest of the exact text."""

TEXT_COLUMNS = ("system_prompt", "prompt", "completion")
REQUIRED_COLUMNS = ("time", "account_id")

_FACTS: list[tuple[str, pa.DataType]] = [
    ("time", TIMESTAMP),
    ("request_id", pa.string()),
    ("account_id", pa.string()),
    ("org_id", pa.string()),
    ("api_key_id", pa.string()),
    ("session_id", pa.string()),
    ("channel", pa.string()),
    ("model", pa.string()),
    ("input_tokens", pa.int32()),
    ("output_tokens", pa.int32()),
    ("cached_input_tokens", pa.int32()),
    ("max_tokens", pa.int32()),
    ("temperature", pa.float32()),
    ("stream", pa.bool_()),
    ("reasoning", pa.bool_()),
    ("tools", pa.int16()),
    ("status", pa.int16()),
    ("finish_reason", pa.string()),
    ("latency_ms", pa.int32()),
    ("client_ip", pa.string()),
    ("asn", pa.int32()),
    ("country", pa.string()),
    ("user_agent", pa.string()),
    ("tls_fingerprint", pa.string()),
    ("device_id", pa.string()),
    ("reasoning_signature", pa.string()),
]

_TEXT: list[tuple[str, pa.DataType]] = [(name, pa.string()) for name in TEXT_COLUMNS]

_SKETCH: list[tuple[str, pa.DataType]] = [
    ("prompt_sketch", pa.binary(PROMPT_CODE_BYTES)),
    ("system_sketch", pa.binary(SYSTEM_CODE_BYTES)),
    ("completion_sketch", pa.binary(COMPLETION_CODE_BYTES)),
    ("prompt_chars", pa.int32()),
    ("system_chars", pa.int32()),
    ("completion_chars", pa.int32()),
    ("capability", pa.string()),
    ("sketch_key_id", pa.string()),
    ("old_prompt_sketch", pa.binary(PROMPT_CODE_BYTES)),
    ("old_system_sketch", pa.binary(SYSTEM_CODE_BYTES)),
    ("old_completion_sketch", pa.binary(COMPLETION_CODE_BYTES)),
    ("old_sketch_key_id", pa.string()),
]
# The old_* columns are null but in the one window after a key rotation, which is sketched under both keys.

REQUESTS = pa.schema(_FACTS + _TEXT)
"""A log with text, as the outside contract types it."""

LAKE_REQUESTS = pa.schema(_FACTS + _SKETCH)
"""A log in a lake, with no text."""

LAKE_REQUESTS_WITH_TEXT = pa.schema(_FACTS + _TEXT + _SKETCH)
"""A log in a lake made with ``--keep-text``."""

SKETCH_COLUMNS = tuple(name for name, _ in _SKETCH)

SKETCH_SLOTS = 64
"""Slots of a full sketch; each is an unsigned 32-bit integer, little-endian."""

SKETCHES = pa.schema(
    [
        ("text_id", pa.binary(8)),
        ("role", pa.string()),
        ("code", pa.binary()),
        ("sketch", pa.binary(4 * SKETCH_SLOTS)),
        ("chars", pa.int32()),
        ("sketch_key_id", pa.string()),
    ]
)
"""``sketches``: the full sketch, once per distinct text. ``role`` is ``prompt``, ``system`` or ``completion``;
``code`` is what the rows of the log carry for that text; ``text_id`` is a keyed digest of the text."""

MODEL_CAPABILITIES = (
    "agentic_reasoning",
    "software_engineering",
    "long_horizon_planning",
    "mathematics",
    "reasoning_traces",
    "grading",
    "data_transformation",
    "writing",
    "knowledge",
    "conversation",
    "other",
)
"""Coarse capability labels of a prompt. The first six are what distillation is reported to be after."""

HARVESTED_CAPABILITIES = MODEL_CAPABILITIES[:6]
"""Labels of what distillation is reported to be after."""
