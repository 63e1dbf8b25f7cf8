"""Reads answers from files: token ids as they are, text through a tokenizer file."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from stillhunt.errors import InputError, MissingExtraError
from stillhunt.marks.windows import Documents, documents, token_ids
from stillhunt.marks.words import U32

ANSWER_FIELDS = ("token_ids", "completion", "text")
PROMPT_FIELDS = ("prompt_token_ids", "prompt")
_FORMS = "Parquet, JSON lines (.jsonl, also .gz and .zst) or plain text (.txt)"

Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class SkippedRow:
    """A row that could not be used. row: from 1; 0 for the file as a whole."""

    file: str
    row: int
    reason: str


@dataclass(frozen=True)
class Answers:
    """What was read: documents, where each came from, what was skipped, and the SHA-256 over the files' digests."""

    texts: Documents
    names: tuple[str, ...]
    skipped: tuple[SkippedRow, ...]
    inputs_digest: str


def read_answers(paths: Sequence[Path], encode: Encode | None = None) -> Answers:
    """Answers of ``paths``: per row ``token_ids``, or ``completion`` or ``text`` through ``encode``; and its
    ``prompt_token_ids`` or ``prompt``, where it has one. A .txt file is one answer.

    Raises InputError when a file cannot be read or no row can be used.
    """
    return _read(paths, encode, answered=True)


def read_prompts(paths: Sequence[Path], encode: Encode | None = None, *, samples: int = 1) -> Answers:
    """Prompts of ``paths``, each ``samples`` times in a row, as documents with empty answers: per row
    ``prompt_token_ids``, or ``prompt`` through ``encode``. Raises as :func:`read_answers`."""
    read = _read(paths, encode, answered=False)
    asked = read.texts
    split = [
        asked.prompts[a:b] for a, b in zip(asked.prompt_offsets[:-1], asked.prompt_offsets[1:], strict=True)
    ]
    again = [prompt for prompt in split for _ in range(samples)]
    return replace(
        read,
        texts=documents([()] * len(again), again),
        names=tuple(name for name in read.names for _ in range(samples)),
    )


def prompt_texts(paths: Sequence[Path]) -> list[str]:
    """The ``prompt`` of every row. Raises InputError where a row has none, or not as text."""
    prompts = []
    for path in paths:
        try:
            rows = list(_rows(path))
        except OSError as error:
            raise InputError(f"cannot read the file ({error.strerror})", str(path)) from error
        for number, row in rows:
            prompt = row.get("prompt") if isinstance(row, dict) else None
            if not isinstance(prompt, str):
                raise InputError("expected a `prompt` as text", f"{path}, row {number}")
            prompts.append(prompt)
    return prompts


def _read(paths: Sequence[Path], encode: Encode | None, *, answered: bool) -> Answers:
    answers: list[U32] = []
    prompts: list[U32] = []
    names: list[str] = []
    skipped: list[SkippedRow] = []
    digest = hashlib.sha256()
    for path in paths:
        try:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise InputError(f"cannot read the file ({error.strerror})", str(path)) from error
        for number, row in _rows(path):
            try:
                answer, prompt = _row(row, encode, answered=answered)
            except _UnusableRowError as error:
                skipped.append(SkippedRow(str(path), number, str(error)))
            else:
                answers.append(answer)
                prompts.append(prompt)
                names.append(f"{path}:{number}")
    if not answers:
        reason = f"; the first: {skipped[0].reason}" if skipped else ""
        raise InputError(
            f"no {'answer' if answered else 'prompt'} could be used of {len(skipped)} rows{reason}",
            ", ".join(map(str, paths)),
            f"Give rows with one of {', '.join(ANSWER_FIELDS if answered else PROMPT_FIELDS)}.",
        )
    return Answers(documents(answers, prompts), tuple(names), tuple(skipped), "sha256:" + digest.hexdigest())


def load_tokenizer(path: Path) -> Encode:
    """How the tokenizer of a ``tokenizer.json`` file encodes text, without special tokens."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError(
            "text needs the package tokenizers, which is not installed",
            str(path),
            "Run: pip install 'stillhunt[marks]', or give token ids.",
        ) from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the binding raises bare Exceptions
        raise InputError(f"expected a tokenizer.json file ({error})", str(path)) from error
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)


class _UnusableRowError(Exception):
    pass


def _row(row: Any, encode: Encode | None, *, answered: bool) -> tuple[U32, U32]:
    if not isinstance(row, dict):
        raise _UnusableRowError(f"expected an object with token ids or text, got {type(row).__name__}")
    answer, prompt = _first(row, ANSWER_FIELDS) if answered else [], _first(row, PROMPT_FIELDS)
    if answer is None:
        raise _UnusableRowError(f"expected one of {', '.join(ANSWER_FIELDS)}, found none")
    if prompt is None and not answered:
        raise _UnusableRowError(f"expected one of {', '.join(PROMPT_FIELDS)}, found none")
    return _ids(answer, encode), _ids([] if prompt is None else prompt, encode)


def _first(row: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _ids(value: Any, encode: Encode | None) -> U32:
    if isinstance(value, str):
        if encode is None:
            raise _UnusableRowError("text needs the model's tokenizer: give --tokenizer tokenizer.json")
        value = encode(value)
    if not isinstance(value, list | np.ndarray):
        raise _UnusableRowError(f"expected token ids or text, got {type(value).__name__}")
    try:
        return token_ids(value)
    except InputError as error:
        raise _UnusableRowError(error.problem) from error


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    suffixes = [suffix for suffix in path.suffixes if suffix not in (".gz", ".zst")]
    kind = suffixes[-1] if suffixes else ""
    if kind == ".parquet":
        yield from _parquet(path)
        return
    if kind not in (".jsonl", ".ndjson", ".json", ".txt"):
        raise InputError(f"expected {_FORMS}, got a file named {path.name}", str(path))
    with _opened(path) as stream:
        if kind == ".txt":
            yield 1, {"text": _decoded(stream.read(), path)}
            return
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, _parsed(line)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        return f"no JSON: {error}"


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with pq.ParquetFile(path) as file:
            wanted = [name for name in (*ANSWER_FIELDS, *PROMPT_FIELDS) if name in file.schema_arrow.names]
            number = 0
            for batch in file.iter_batches(batch_size=4096, columns=wanted):
                columns = {name: _column(batch.column(name)) for name in wanted}
                for i in range(len(batch)):
                    number += 1
                    yield number, {name: values[i] for name, values in columns.items()}
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"cannot read the Parquet file ({error})", str(path)) from error


def _column(array: Any) -> Sequence[Any]:
    # Lists of whole numbers as views on one buffer, anything else as Python values.
    lists = pa.types.is_list(array.type) or pa.types.is_large_list(array.type)
    if not lists or not pa.types.is_integer(array.type.value_type) or array.values.null_count:
        values: list[Any] = array.to_pylist()
        return values
    flat, offsets = array.values.to_numpy(), array.offsets.to_numpy()
    valid = array.is_valid().to_pylist()
    return [
        flat[a:b] if there else None for a, b, there in zip(offsets[:-1], offsets[1:], valid, strict=True)
    ]


def _opened(path: Path) -> IO[bytes]:
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        return _unpacked(lambda: gzip.decompress(content), path)
    if content[:4] == b"\x28\xb5\x2f\xfd":
        return _unpacked(
            lambda: (
                zstandard.ZstdDecompressor()
                .stream_reader(io.BytesIO(content), read_across_frames=True)
                .read()
            ),
            path,
        )
    return io.BytesIO(content)


def _unpacked(unpack: Callable[[], bytes], path: Path) -> IO[bytes]:
    try:
        return io.BytesIO(unpack())
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise InputError(f"cannot unpack the file ({error})", str(path)) from error


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"expected UTF-8 text ({error})", str(path)) from error
