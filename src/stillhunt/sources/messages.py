"""The text of an exchange, out of the many shapes in which vendors log it.

``prompt`` is the *newest user turn*: the last user message that has text, with the user messages that stand
directly before it, joined by a blank line. Tool results are no text of the user's. ``system_prompt`` is every
system and developer message, and instructions that are given apart, in their order. ``completion`` is the text of
the first answer; reasoning and tool calls are not part of it.

Whoever calls the API chooses what stands in a message, so nothing here raises: what cannot be read is no text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

JOINT = "\n\n"
"""Stands between two messages, or two parts of one, that count as one text."""

_SYSTEM = frozenset({"system", "developer"})
_ASSISTANT = frozenset({"assistant", "model", "ai"})
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal", "summary_text"})
_CONTENT_KEYS = ("content", "parts", "text")
_LIST_KEYS = ("messages", "input", "contents", "prompt")
"""Where the request bodies of the common APIs keep their messages."""
_INSTRUCTION_KEYS = ("system", "instructions", "systemInstruction", "system_instruction")
_MAX_DEPTH = 8


def unpacked(value: Any) -> Any:
    """The value itself, or what it holds if it is a JSON string of an object or a list."""
    if not isinstance(value, str) or not value[:64].lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def newest_user_turn(value: Any) -> str | None:
    """The ``prompt`` of a message list, a request body, or a plain text."""
    if isinstance(value, str):
        inner = unpacked(value)
        structured = newest_user_turn(inner) if _looks_like_messages(inner) else None
        return structured or value or None
    turn: list[str] = []
    for message in reversed(_messages(value)):
        role = _role(message)
        if role in _ASSISTANT:
            if turn:
                break
            continue
        text = _text(message) if role == "user" else None
        if text:
            turn.append(text)
    return JOINT.join(reversed(turn)) or None


def system_text(value: Any) -> str | None:
    """The ``system_prompt`` of a message list or a request body; None of a plain text."""
    value = unpacked(value)
    found: list[str] = []
    if isinstance(value, Mapping):
        found.extend(filter(None, (_text(unpacked(value.get(key))) for key in _INSTRUCTION_KEYS)))
    found.extend(filter(None, (_text(item) for item in _messages(value) if _role(item) in _SYSTEM)))
    return JOINT.join(found) or None


def instructions(value: Any) -> str | None:
    """The ``system_prompt`` where it is logged apart: a text, a list of parts, or a JSON string of one."""
    return _text(unpacked(value)) or None


def answer(value: Any) -> str | None:
    """The ``completion`` of a response body, a list of output messages, or a plain text."""
    if isinstance(value, str):
        inner = unpacked(value)
        return answer(inner) if _looks_like_answer(inner) else value or None
    first = _first_answer(value)
    return _text(first) or None if first is not None else None


def answer_finish(value: Any) -> str | None:
    """Why the first answer ended, in the vendor's word."""
    value = unpacked(value)
    for holder in (value, *_answers(value)):
        if isinstance(holder, Mapping):
            for key in ("finish_reason", "finishReason", "stop_reason"):
                if isinstance(holder.get(key), str):
                    return str(holder[key])
            message = holder.get("message")
            if isinstance(message, Mapping) and message.get("refusal"):
                return "refusal"
    return (
        _response_finish(value) if isinstance(value, Mapping) and value.get("object") == "response" else None
    )


def _response_finish(response: Mapping[str, Any]) -> str | None:
    """Why an object of the responses API ended: it has a status, and calls of tools among its output."""
    output = response.get("output")
    kinds = (
        [item.get("type") for item in output if isinstance(item, Mapping)] if isinstance(output, list) else []
    )
    if "function_call" in kinds:
        return "tool_calls"
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    found = reason or response.get("status")
    return found if isinstance(found, str) else None


def signature_digest(value: Any) -> str | None:
    """SHA-256, in hex, of the last signed reasoning block that a request carries back; None without one."""
    last = None
    for message in _messages(unpacked(value)):
        for found in _signatures(message, 0):
            last = found
    return hashlib.sha256(last.encode("utf-8", "surrogatepass")).hexdigest() if last else None


def tool_count(value: Any) -> int | None:
    """How many tools a request offers, from their list; at most what the column holds."""
    value = unpacked(value)
    if isinstance(value, Mapping):
        value = value.get("tools", value.get("functions", list(value)))
    return min(len(value), 2**15 - 1) if isinstance(value, list | tuple) else None


def asks_for_reasoning(parameters: Any) -> bool | None:
    """Whether the parameters of a request ask for extended reasoning; None where they do not say."""
    parameters = unpacked(parameters)
    if not isinstance(parameters, Mapping):
        return None
    effort = parameters.get("reasoning_effort")
    nested = parameters.get("reasoning")
    if effort is None and isinstance(nested, Mapping):
        effort = nested.get("effort", "on" if nested else None)
    if isinstance(effort, str):
        return effort.lower() not in ("none", "off", "disabled", "")
    thinking = parameters.get("thinking")
    if isinstance(thinking, Mapping):
        return thinking.get("type") not in ("disabled", None)
    return None


# --- shapes ---------------------------------------------------------------------------------------------------


def _looks_like_messages(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(key in value for key in _LIST_KEYS) or "role" in value
    return isinstance(value, list) and any(_is_message(item) for item in value)


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and ("role" in value or value.get("type") == "message")


def _messages(value: Any) -> list[Any]:
    """The messages in a list, a request body or a single message; a plain text counts as one of the user's."""
    value = unpacked(value)
    if isinstance(value, Mapping):
        for key in _LIST_KEYS:
            inner = unpacked(value.get(key))
            if isinstance(inner, list | Mapping):
                return _messages(inner)
            if isinstance(inner, str) and inner:
                return [{"role": "user", "content": inner}]
        return [value] if "role" in value else []
    if isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            return [{"role": "user", "content": JOINT.join(value)}]
        return value
    return [{"role": "user", "content": value}] if isinstance(value, str) and value else []


def _role(message: Any) -> str:
    role = message.get("role") if isinstance(message, Mapping) else None
    return role.lower() if isinstance(role, str) else ""


def _looks_like_answer(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(key in value for key in ("choices", "candidates", "output", "content", "message", "parts"))
    return isinstance(value, list) and any(_is_message(item) or _is_choice(item) for item in value)


def _is_choice(value: Any) -> bool:
    return isinstance(value, Mapping) and ("message" in value or "finish_reason" in value)


def _answers(value: Any) -> list[Any]:
    """The alternatives, or output items, that a response holds."""
    if isinstance(value, Mapping):
        for key in ("choices", "candidates", "output"):
            if isinstance(value.get(key), list):
                return list(value[key])
        return []
    return value if isinstance(value, list) else []


def _first_answer(value: Any) -> Any:
    if isinstance(value, Mapping) and isinstance(value.get("output"), list):  # items of one answer, in order
        return {"content": [item for item in value["output"] if _is_message(item)]}
    alternatives = _answers(value)
    first = alternatives[0] if alternatives else value
    if isinstance(first, Mapping):
        for key in ("message", "delta", "content", "parts", "text", "completion", "response"):
            if first.get(key) is not None:
                return first[key]
        return None
    return first


def _text(value: Any, depth: int = 0) -> str:
    """The text in a message, a part, or a list of parts."""
    if isinstance(value, str):
        return value
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(value, list):
        return JOINT.join(filter(None, (_text(item, depth + 1) for item in value)))
    if not isinstance(value, Mapping):
        return ""
    kind = value.get("type")
    if isinstance(kind, str) and kind not in _TEXT_PARTS and kind != "message":
        return ""
    if value.get("thought") is True:
        return ""
    for key in _CONTENT_KEYS:
        if value.get(key):
            return _text(value[key], depth + 1)
    refusal = value.get("refusal")
    return refusal if isinstance(refusal, str) else ""


def _signatures(value: Any, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            yield from _signatures(item, depth + 1)
    elif isinstance(value, Mapping):
        kind = value.get("type")
        if kind in ("thinking", "reasoning", "redacted_thinking"):
            for key in ("signature", "encrypted_content", "data"):
                if isinstance(value.get(key), str) and value[key]:
                    yield value[key]
        for key in ("thoughtSignature", "thought_signature"):
            if isinstance(value.get(key), str) and value[key]:
                yield value[key]
        for key in ("content", "parts", "thinking_blocks", "provider_specific_fields"):
            yield from _signatures(value.get(key), depth + 1)
