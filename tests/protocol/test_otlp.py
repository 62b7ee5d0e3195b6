"""Counting the elements of OTLP exports without decoding them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dictamesh_sentry.protocol.otlp import MalformedExportError, count_elements


@given(st.lists(st.lists(st.integers(0, 20), max_size=3), max_size=4))
def test_the_count_is_that_of_the_decoder(shape: list[list[int]]) -> None:
    export = ExportTraceServiceRequest()
    for scopes in shape:
        resource = export.resource_spans.add(schema_url="https://example.com")
        resource.resource.attributes.add(key="k" * 200).value.double_value = 1.5
        for spans in scopes:
            scope = resource.scope_spans.add()
            for index in range(spans):
                scope.spans.add(name="x" * index, start_time_unix_nano=2**60, flags=7)
    assert count_elements(export.SerializeToString(), "traces", protobuf=True) == sum(map(sum, shape))


@given(st.binary(max_size=200))
def test_any_bytes_are_counted_or_refused(body: bytes) -> None:
    for protobuf in (True, False):
        with suppress(MalformedExportError):
            assert count_elements(body, "logs", protobuf=protobuf) >= 0


@pytest.mark.parametrize("body", [b"[]", b"7", b'{"resourceSpans": '])
def test_json_that_is_no_export(body: bytes) -> None:
    with pytest.raises(MalformedExportError):
        count_elements(body, "traces", protobuf=False)


def test_json_of_the_wrong_shape_holds_nothing() -> None:
    assert count_elements(b'{"resourceSpans": {"a": 1}}', "traces", protobuf=False) == 0
    assert (
        count_elements(b'{"resourceSpans": [[], {"scopeSpans": [1, {"spans": [{}]}]}]}', "traces", protobuf=False) == 1
    )
