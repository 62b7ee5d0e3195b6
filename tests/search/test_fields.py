"""The table of keys: complete, unambiguous, and in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dictamesh_sentry.search.ast import Filter, terms
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.events import compile_events
from dictamesh_sentry.search.fields import FIELDS, UNSUPPORTED, Field, find_field
from dictamesh_sentry.search.issues import compile_issues
from dictamesh_sentry.search.parser import parse_query
from tests.search.conftest import FakeContext

DOCS = Path(__file__).parents[2] / "docs" / "search.md"


def test_names_are_unique() -> None:
    names = [name for field in FIELDS for name in (field.key, *field.aliases)]
    assert len(names) == len(set(names))
    assert all(find_field(name) is not None for name in names)
    assert find_field("browser.name") is None
    assert not set(names) & set(UNSUPPORTED)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.key)
def test_examples_are_queries_that_work(field: Field, context: FakeContext) -> None:
    assert field.description
    for example in field.examples:
        query = f"{field.key}:{example}"
        (term,) = terms(parse_query(query))
        assert isinstance(term, Filter)
        try:
            if field.target == "issue":
                compile_issues(query, context)
            else:
                compile_events(parse_query(query), context)
        except SearchError as error:
            assert "does not exist" in error.message, query  # noqa: PT017 - teams and projects of the example


def test_the_page_lists_every_key() -> None:
    text = DOCS.read_text()
    for field in FIELDS:
        for name in (field.key, *field.aliases):
            assert f"`{name}`" in text, f"docs/search.md does not mention {name}"
    for name in UNSUPPORTED:
        assert f"`{name}`" in text
