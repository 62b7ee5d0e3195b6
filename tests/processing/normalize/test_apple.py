"""Apple's text crash reports as native events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.processing.normalize.apple import add_apple_crash_report, parse_apple_crash_report
from tests.processing.cases import data, tags

REPORT = """Incident Identifier: 5C32DF84-31A0-43E7-87D0-239F7F594940
Hardware Model:      iPhone15,2
Process:             Shop [1234]
Identifier:          com.example.shop
Version:             1.2 (42)
OS Version:          iPhone OS 17.5 (21F79)

Exception Type:  EXC_BAD_ACCESS (SIGSEGV)
Exception Subtype: KERN_INVALID_ADDRESS at 0x0000000000000000
Triggered by Thread:  0

Thread 0 name:  Dispatch queue: com.apple.main-thread
Thread 0 Crashed:
0   Shop                            0x0000000102a04c10 -[Cart total] + 16 (Cart.m:31)
1   Shop                            0x0000000102a01000 0x102a00000 + 4096
2   libdyld.dylib                   0x00000001a0000010 start + 4

Thread 1:
0   libsystem_kernel.dylib          0x00000001b0000020 __workq_kernreturn + 8

Thread 0 crashed with ARM Thread State (64-bit):
    x0: 0x0000000000000000   x1: 0x0000000102a04c00

Binary Images:
       0x102a00000 -        0x102a0ffff +Shop arm64  <a3f1c2d4e5b64798a1b2c3d4e5f60718> /var/containers/Shop.app/Shop
"""


def test_a_report_becomes_exception_threads_and_images():
    event = {"message": "kept"}
    add_apple_crash_report(event, REPORT.encode())
    event = data(event)
    exception = event["exception"]["values"][0]
    assert (exception["type"], exception["value"]) == (
        "EXC_BAD_ACCESS",
        "KERN_INVALID_ADDRESS at 0x0000000000000000",
    )
    assert exception["thread_id"] == 0
    frames = exception["stacktrace"]["frames"]
    assert [frame.get("function") for frame in frames] == ["start", None, "-[Cart total]"]
    assert frames[-1] == {
        "package": "Shop",
        "instruction_addr": "0x102a04c10",
        "symbol_addr": "0x102a04c00",
        "function": "-[Cart total]",
        "filename": "Cart.m",
        "abs_path": "Cart.m",
        "lineno": 31,
    }
    threads = event["threads"]["values"]
    assert threads[0] == {
        "id": 0,
        "name": "Dispatch queue: com.apple.main-thread",
        "crashed": True,
        "current": True,
    }
    assert threads[1]["stacktrace"]["frames"][0]["function"] == "__workq_kernreturn"
    assert event["debug_meta"]["images"] == [
        {
            "type": "macho",
            "image_addr": "0x102a00000",
            "image_size": 65536,
            "debug_id": "a3f1c2d4e5b64798a1b2c3d4e5f60718",
            "code_file": "/var/containers/Shop.app/Shop",
            "arch": "arm64",
        }
    ]
    assert (event["level"], event["platform"]) == ("fatal", "native")
    assert event["logentry"] == {"formatted": "kept"}
    assert tags(event)["os"] == "iOS 17.5"
    assert tags(event)["device"] == "iPhone15,2"
    assert tags(event)["handled"] == "no"


def test_what_the_event_says_itself_wins():
    event = {"exception": {"type": "Own"}, "contexts": {"os": {"name": "Own"}}}
    add_apple_crash_report(event, REPORT.encode())
    assert event["exception"] == {"type": "Own"}
    assert event["contexts"]["os"] == {"name": "Own"}
    assert event["contexts"]["device"] == {"model": "iPhone15,2"}


@given(
    st.binary(max_size=300) | st.lists(st.sampled_from(REPORT.splitlines()), max_size=30).map("\n".join).map(str.encode)
)
def test_any_text_is_survived(payload: bytes):
    event: dict[str, object] = {}
    add_apple_crash_report(event, payload)
    data(event)


def test_other_text_is_no_report():
    assert parse_apple_crash_report("hello\nworld") == {}
