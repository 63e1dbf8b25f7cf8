"""The same document for programs."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

from stillhunt.report.document import Campaign, Document
from stillhunt.report.json import render_json


def test_the_object_has_the_fields_of_the_document(document: Document) -> None:
    read = json.loads(render_json(document))
    assert read["format"] == "stillhunt-report/1"
    assert set(read) == {field.name for field in fields(Document)}
    assert set(read["campaigns"][0]) == {field.name for field in fields(Campaign)}


def test_numbers_strings_and_times_survive(document: Document) -> None:
    read = json.loads(render_json(document))
    for campaign, same in zip(document.campaigns, read["campaigns"], strict=True):
        assert same["q_value"] == campaign.q_value
        assert same["first_seen"] == campaign.first_seen.isoformat()
        assert [m["account_id"] for m in same["members"]] == [m.account_id for m in campaign.members]
    assert read["scanned"]["first"].endswith("+00:00")


def test_what_is_no_number_is_null(document: Document) -> None:
    first = replace(document.campaigns[0], q_value=math.nan, score=math.inf)
    read = json.loads(render_json(replace(document, campaigns=(first,))))
    assert read["campaigns"][0]["q_value"] is None
    assert read["campaigns"][0]["score"] is None
