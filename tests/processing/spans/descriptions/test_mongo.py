"""Documents without their values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.processing.spans.descriptions.mongo import MAX_DEPTH, describe_document


@pytest.mark.parametrize(
    ("description", "normalized", "action", "collection"),
    [
        (
            '{"find": "users", "filter": {"name": "bob", "_id": {"$in": [1, 2, 3]}}, "limit": 1}',
            '{"find": "users", "filter": {"name": "?", "_id": {"$in": ["?"]}}, "limit": "?"}',
            "FIND",
            "users",
        ),
        (
            "{'insert': 'notes', 'documents': [{'x': 1, 'y': ObjectId('5f')}, {'x': 2, 'y': ObjectId('6a')}], 'ordered': True}",
            '{"insert": "notes", "documents": [{"x": "?", "y": "?"}], "ordered": "?"}',
            "INSERT",
            "notes",
        ),
        (
            '{"aggregate": "orders", "pipeline": [{"$match": {"total": {"$gt": 5}}}, {"$group": {"_id": "$user"}}]}',
            '{"aggregate": "orders", "pipeline": [{"$match": {"total": {"$gt": "?"}}}, {"$group": {"_id": "?"}}]}',
            "AGGREGATE",
            "orders",
        ),
        ('{"find": "users", "filter": {"na', '{"find": "users", "filter": {"?"}}', "FIND", "users"),
        ('{"find": "u", "filter": {"a": "secr', '{"find": "u", "filter": {"a": "?"}}', "FIND", "u"),
        ('{"updated.64b0c1f2a3d4e5f6a7b8c9d0.n": 1}', '{"updated.*.n": "?"}', "", ""),
        ("users.find", "users.find", "FIND", "users"),
        ("{}", "{}", "", ""),
        ("", "", "", ""),
    ],
)  # fmt: skip
def test_commands(description: str, normalized: str, action: str, collection: str) -> None:
    assert describe_document(description, "", "") == (normalized, action, collection)


def test_a_filter_alone_is_named_by_its_attributes() -> None:
    assert describe_document('{"name": "?"}', "find", "users") == ('users.find({"name": "?"})', "FIND", "users")
    assert describe_document("users.find", "find", "users").domain == "users"


documents = st.recursive(
    st.sampled_from(["VALUE", 111, True, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(documents)
def test_keys_stay_and_values_go(filters: Any) -> None:
    text = json.dumps({"find": "users", "filter": filters})
    found = describe_document(text, "", "").normalized
    assert "VALUE" not in found
    assert "111" not in found
    assert found.startswith('{"find": "users", "filter": ')
    json.loads(found)
    assert describe_document(found, "", "").normalized == found


@given(st.text(alphabet="{}[]:,'\"\\ a1", max_size=200) | st.text())
def test_nothing_breaks_it(text: str) -> None:
    describe_document(text, "", "")


def test_depth_is_bounded() -> None:
    found = describe_document('{"a":' * 2000 + "1" + "}" * 2000, "", "").normalized
    assert found.count("{") == MAX_DEPTH
