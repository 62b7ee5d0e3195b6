"""Files, messages, functions."""

from __future__ import annotations

import pytest

from dictamesh_sentry.processing.spans.descriptions.files import describe_file
from dictamesh_sentry.processing.spans.descriptions.functions import describe_name, describe_verbatim
from dictamesh_sentry.processing.spans.descriptions.queues import describe_message


@pytest.mark.parametrize(
    ("op", "description", "expected"),
    [
        ("file.read", "notes.txt (4.1 kB)", ("*.txt", "READ", "")),
        ("file.write", "/var/data/2024.01/b.tar.gz", ("*.gz", "WRITE", "")),
        ("file.read", "LICENSE", ("*", "READ", "")),
        ("file.io.read", "C:\\Users\\jane.doe\\a.JSON", ("*.json", "READ", "")),
    ],
)
def test_files(op: str, description: str, expected: tuple[str, str, str]) -> None:
    assert describe_file(op, description, "") == expected


def test_a_path_attribute_tells_more() -> None:
    assert describe_file("file.read", "read", "/tmp/x.db").normalized == "*.db"


def test_messages() -> None:
    assert describe_message("queue.publish", "orders", "orders", "") == ("orders", "PUBLISH", "orders")
    assert describe_message("queue.submit.celery", "app.tasks.add", "", "") == (
        "app.tasks.add",
        "PUBLISH",
        "app.tasks.add",
    )
    assert describe_message("queue", "", "reply-3f2504e04f8911d3", "process") == ("reply-*", "PROCESS", "reply-*")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app.tasks.add", "app.tasks.add"),
        ("job 3f2504e0-4f89-11d3-9a0c-0305e82c3301\n done", "job * done"),
        ("render_9f2c1b3a4d", "render_*"),
        ("decode 0xdeadbeef", "decode *"),
        ("user 1234567", "user *"),
        ("step 12 of v2", "step 12 of v2"),
        ("deadbeef feedface", "deadbeef feedface"),
        ("/users/42", "/users/*"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert describe_name(name).normalized == expected


def test_components_stay_as_they_are() -> None:
    assert describe_verbatim("<Row#9f2c1b3a4d>\n").normalized == "<Row#9f2c1b3a4d>"
