"""Events as the SDKs of every platform send them."""

from __future__ import annotations

import orjson
import pytest

from tests.processing.cases import EVENTS, config, data, fixture, normalized, tags

ALL = sorted(path.stem for path in EVENTS.glob("*.json"))


def test_every_platform_has_an_event():
    assert len(ALL) >= 12


@pytest.mark.parametrize("name", ALL)
def test_is_storable_typed_and_keeps_its_problem(name: str):
    event = data(fixture(name))
    assert orjson.loads(orjson.dumps(event)) == event
    assert len(event["event_id"]) == 32
    assert type(event["timestamp"]) is float
    assert event["level"] in ("fatal", "error", "warning", "info", "debug")
    assert event["contexts"]["trace"]["trace_id"]
    assert all(type(key) is str and type(value) is str and value for key, value in event["tags"])
    assert ("exception" in event) == (event["type"] == "error")
    for exception in (event.get("exception") or {"values": []})["values"]:
        assert exception.get("type") or exception.get("value")
        for frame in exception["stacktrace"]["frames"]:
            assert frame.get("filename") or frame.get("function") or frame.get("instruction_addr")


@pytest.mark.parametrize("name", ALL)
def test_normalizing_a_stored_event_again_changes_nothing(name: str):
    project = config()
    first = data(fixture(name), project)
    again = data(orjson.loads(orjson.dumps(first)), project)
    for event in (first, again):
        event["tags"] = sorted(event["tags"])
        event.pop("_meta", None)
        event.pop("errors", None)
    assert again == first


def test_python_chain_request_user_and_tags():
    result = normalized(fixture("python_flask"))
    event = result.data
    assert result.errors == []
    assert [value["type"] for value in event["exception"]["values"]] == ["KeyError", "CheckoutError"]
    assert event["request"] == {
        "url": "https://shop.example.com/checkout",
        "method": "POST",
        "query_string": [["step", "2"]],
        "fragment": "pay",
        "headers": [
            ["Host", "shop.example.com"],
            ["User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"],
        ],
        "cookies": [["theme", "dark"], ["lang", "pt"]],
        "env": {"REMOTE_ADDR": "203.0.113.9"},
        "data": {"cart": 4711},
        "inferred_content_type": "application/json",
    }
    assert event["user"] == {
        "id": "42",
        "email": "ana@example.com",
        "data": {"plan": "pro"},
        "ip_address": "203.0.113.9",
    }
    assert tags(event) == {
        "region": "eu",
        "retry": "True",
        "server_name": "web-3",
        "level": "error",
        "environment": "production",
        "release": "shop@2.4.0",
        "transaction": "checkout",
        "url": "https://shop.example.com/checkout",
        "user": "id:42",
        "client_os": "Linux",
        "client_os.name": "Linux",
        "browser": "Firefox 130.0",
        "browser.name": "Firefox",
        "runtime": "CPython 3.12.4",
        "runtime.name": "CPython",
        "mechanism": "flask",
        "handled": "no",
        "sdk.name": "sentry.python.flask",
    }


def test_browser_frames_user_agent_and_address():
    result = normalized(fixture("javascript_browser"))
    event = result.data
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert "function" not in frames[0]
    assert frames[0]["abs_path"] == "https://cdn.example.com/assets/app.js?v=3"
    assert frames[2]["filename"] == "/assets/vendor.js"
    assert event["contexts"]["os"] == {"name": "iOS", "version": "17.5", "type": "os", "os": "iOS 17.5"}
    assert event["contexts"]["browser"]["browser"] == "Mobile Safari 17.5"
    assert event["user"] == {"ip_address": "198.51.100.4"}
    assert tags(event)["device.family"] == "iPhone"
    assert [image["type"] for image in event["debug_meta"]["images"]] == ["sourcemap"]
    assert [error["name"] for error in result.errors] == ["debug_meta.images.1"]


def test_java_message_is_formatted_and_bad_tag_reported():
    result = normalized(fixture("java_spring"))
    event = result.data
    assert event["logentry"] == {
        "message": "Order {} failed for {}",
        "params": ["4711", "ana"],
        "formatted": "Order 4711 failed for ana",
    }
    assert len(event["logger"]) <= 64
    assert event["logger"].startswith("*.")
    assert event["logger"].endswith(".CheckoutStageExecutor")
    assert event["level"] == "error"
    assert "ip_address" not in event.get("user", {})
    assert [error["value"] for error in result.errors] == ["bad key!"]
    assert "native" not in event["exception"]["values"][0]["stacktrace"]["frames"][0]


def test_dotnet_raw_descriptions_and_addresses():
    event = data(fixture("csharp_aspnet"))
    assert event["contexts"]["os"]["os"] == "Windows 10.0.22631"
    assert event["contexts"]["runtime"]["runtime"] == ".NET 9.0.1"
    frame = event["exception"]["values"][0]["stacktrace"]["frames"][0]
    assert (frame["instruction_addr"], frame["function_id"], frame["addr_mode"]) == ("0x5", "0x12", "rel:0")


def test_php_repeated_parameters_and_empty_arrays():
    event = data(fixture("php_laravel"))
    assert event["level"] == "fatal"
    assert event["request"]["query_string"] == [["page", "1"], ["page", "2"]]
    assert event["request"]["headers"] == [["Accept", "text/html, */*"]]
    assert "vars" not in event["exception"]["values"][0]["stacktrace"]["frames"][1]


def test_cocoa_addresses_signal_and_image_alias():
    event = data(fixture("cocoa_ios"))
    exception = event["exception"]["values"][0]
    assert exception["stacktrace"]["frames"][1]["instruction_addr"] == hex(4339011600)
    assert exception["mechanism"]["meta"]["signal"]["name"] == "SIGSEGV"
    assert event["debug_meta"]["images"][0]["type"] == "macho"
    assert tags(event)["device.class"] == "3"
    assert tags(event)["os.rooted"] == "no"
    assert event["threads"]["values"][1]["stacktrace"]["frames"] == [{"instruction_addr": "0x1"}]


def test_android_lock_and_device_class():
    event = data(fixture("android"))
    assert event["exception"]["values"][0]["stacktrace"]["frames"][0]["lock"]["class_name"] == "Object"
    assert tags(event)["device.class"] == "3"


def test_other_message_legacy_names_and_unknown_attributes():
    result = normalized(fixture("other_message"))
    event = result.data
    assert event["platform"] == "other"
    assert event["logentry"] == {"formatted": "disk %s is %d%% full"}
    assert event["level"] == "warning"
    assert event["user"] == {"id": "7"}
    assert tags(event)["site"] == "store-9"
    assert "measurements" not in event
    assert event["type"] == "default"
    assert result.errors == [{"type": "invalid_attribute", "name": "unknown_attribute", "value": {"a": 1}}]
