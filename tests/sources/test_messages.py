"""What counts as prompt, system prompt and completion, in every shape in which vendors log messages."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillhunt.sources.messages import (
    answer,
    answer_finish,
    asks_for_reasoning,
    instructions,
    newest_user_turn,
    signature_digest,
    system_text,
    tool_count,
)

OPENAI = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "older"},
    {"role": "assistant", "content": "older answer"},
    {
        "role": "user",
        "content": [{"type": "text", "text": "part one"}, {"type": "image_url", "image_url": {}}],
    },
    {"role": "user", "content": "part two"},
]
ANTHROPIC = {
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [
        {"role": "user", "content": "older"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "text", "text": "part one\n\npart two"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "u", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "u", "content": "result"}]},
    ],
}
GEMINI = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "older"}]},
        {"role": "model", "parts": [{"text": "older answer"}]},
        {"role": "user", "parts": [{"text": "part one"}, {"inlineData": {}}, {"text": "part two"}]},
    ],
}
RESPONSES = {
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": "older"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "older answer"}],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "part one"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "part two"}]},
        {"type": "function_call_output", "call_id": "c", "output": "result"},
    ],
}
OTEL = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "part one"}, {"type": "uri", "uri": "x"}]},
    {"role": "user", "parts": [{"type": "text", "content": "part two"}]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "response": "r"}]},
]


@pytest.mark.parametrize("request_", [OPENAI, ANTHROPIC, GEMINI, RESPONSES, OTEL], ids=range(5))
@pytest.mark.parametrize("packed", [False, True])
def test_the_newest_user_turn_and_the_system_prompt(request_: Any, packed: bool) -> None:
    value = json.dumps(request_) if packed else request_
    assert newest_user_turn(value) == "part one\n\npart two"
    assert system_text(value) == "Be brief."


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ({"prompt": "plain"}, "plain"),
        ({"prompt": ["one", "two"]}, "one\n\ntwo"),
        ({"input": "plain"}, "plain"),
        ({"role": "user", "content": "plain"}, "plain"),
        ('{"task": "JSON that is the prompt itself"}', '{"task": "JSON that is the prompt itself"}'),
        ("[1, 2, 3]", "[1, 2, 3]"),
        ("[INST] not JSON", "[INST] not JSON"),
        # A text cannot hide itself by looking like somebody else's message.
        ('[{"role": "assistant", "content": "x"}]', '[{"role": "assistant", "content": "x"}]'),
        ([{"role": "assistant", "content": "x"}], None),
        ("", None),
        ([], None),
        (None, None),
        (7, None),
    ],
)
def test_prompts_of_other_shapes(value: Any, expected: str | None) -> None:
    assert newest_user_turn(value) == expected


def test_a_plain_text_has_no_system_prompt_and_instructions_have() -> None:
    assert system_text("plain") is None
    assert instructions("plain") == "plain"
    assert (
        instructions(json.dumps([{"type": "text", "content": "a"}, {"type": "text", "content": "b"}]))
        == "a\n\nb"
    )


@pytest.mark.parametrize(
    ("response", "text", "finish"),
    [
        (
            {
                "choices": [
                    {"finish_reason": "stop", "message": {"content": "a"}},
                    {"message": {"content": "b"}},
                ]
            },
            "a",
            "stop",
        ),
        ({"choices": [{"text": "a", "finish_reason": "length"}]}, "a", "length"),
        ({"choices": [{"message": {"content": None, "refusal": "I cannot."}}]}, "I cannot.", "refusal"),
        (
            {"choices": [{"finish_reason": "tool_calls", "message": {"content": None, "tool_calls": [{}]}}]},
            None,
            "tool_calls",
        ),
        (
            {
                "type": "message",
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": "a"},
                    {"type": "text", "text": "b"},
                ],
                "stop_reason": "end_turn",
            },
            "a\n\nb",
            "end_turn",
        ),
        (
            {
                "output": [
                    {"type": "reasoning", "summary": []},
                    {"type": "message", "content": [{"type": "output_text", "text": "a"}]},
                    {"type": "message", "content": [{"type": "output_text", "text": "b"}]},
                ]
            },
            "a\n\nb",
            None,
        ),
        (
            {"object": "response", "status": "completed", "output": [{"type": "message", "content": "a"}]},
            "a",
            "completed",
        ),
        (
            {
                "object": "response",
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
                "output": [{"type": "message", "content": "a"}],
            },
            "a",
            "max_output_tokens",
        ),
        (
            {"object": "response", "status": "completed", "output": [{"type": "function_call", "name": "f"}]},
            None,
            "tool_calls",
        ),
        (
            {
                "candidates": [
                    {
                        "content": {"parts": [{"text": "hm", "thought": True}, {"text": "a"}]},
                        "finishReason": "STOP",
                    }
                ]
            },
            "a",
            "STOP",
        ),
        (
            [{"role": "assistant", "parts": [{"type": "text", "content": "a"}], "finish_reason": "stop"}],
            "a",
            "stop",
        ),
        ({"role": "assistant", "content": "a"}, "a", None),
        ("plain", "plain", None),
        ('{"answer": 42}', '{"answer": 42}', None),
        (None, None, None),
        ({}, None, None),
    ],
)
def test_answers(response: Any, text: str | None, finish: str | None) -> None:
    for value in (
        response,
        json.dumps(response) if isinstance(response, dict | list) and response else response,
    ):
        assert answer(value) == text
        assert answer_finish(value) == finish


@pytest.mark.parametrize(
    "block",
    [
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "SIG"}]},
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "SIG"}]},
        {"role": "assistant", "content": "x", "thinking_blocks": [{"type": "thinking", "signature": "SIG"}]},
        {"type": "reasoning", "encrypted_content": "SIG"},
        {"role": "model", "parts": [{"functionCall": {}, "thoughtSignature": "SIG"}]},
    ],
    ids=range(5),
)
def test_the_last_signed_reasoning_block_is_digested(block: dict[str, Any]) -> None:
    older = {"role": "assistant", "content": [{"type": "thinking", "signature": "OLD"}]}
    messages = [older, {"role": "user", "content": "q"}, block, {"role": "user", "content": "q"}]
    assert signature_digest(messages) == hashlib.sha256(b"SIG").hexdigest()
    assert signature_digest({"messages": messages}) == signature_digest(json.dumps(messages))
    assert signature_digest([{"role": "user", "content": "SIG"}]) is None


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"reasoning_effort": "high"}, True),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning": {"effort": "low"}}, True),
        ({"thinking": {"type": "enabled", "budget_tokens": 1000}}, True),
        ({"thinking": {"type": "disabled"}}, False),
        ({"temperature": 1}, None),
        ("text", None),
    ],
)
def test_reasoning_is_asked_for(parameters: Any, expected: bool | None) -> None:
    assert asks_for_reasoning(parameters) is expected


def test_tools_are_counted() -> None:
    assert tool_count([{}, {}]) == 2
    assert tool_count('[{"name": "f"}]') == 1
    assert tool_count({"f": "{}", "g": "{}"}) == 2
    assert tool_count([{}] * 40_000) == 32_767
    assert tool_count("f") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "parts",
                    "text",
                    "type",
                    "messages",
                    "choices",
                    "message",
                    "output",
                    "signature",
                ]
            ),
            inner | st.sampled_from(["user", "assistant", "text", "thinking", "system"]),
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_nothing_a_client_sends_raises(value: Any) -> None:
    for read in (newest_user_turn, system_text, answer, answer_finish, signature_digest, instructions):
        found = read(value)
        assert found is None or (isinstance(found, str) and found)
    asks_for_reasoning(value)
    tool_count(value)
    for depth_bomb in ("[" * 100_000, '{"content":' * 50_000):
        assert newest_user_turn(depth_bomb) == depth_bomb


def test_deep_nesting_ends() -> None:
    value: Any = "deep"
    for _ in range(500):
        value = {"content": [value]}
    assert newest_user_turn([{"role": "user", "content": value}]) is None
