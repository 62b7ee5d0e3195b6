"""Apple's text crash reports: exception, threads and images of a native event."""

from __future__ import annotations

import re
from typing import Any

MAX_BYTES = 4 << 20
_MAX_FRAMES = 512
_MAX_THREADS = 300
_MAX_IMAGES = 1500

# Every pattern is matched at the start of one line of at most 1024 characters and has no nested repetition.
_FIELD = re.compile(r"^([A-Z][A-Za-z ]{1,40}):\s+(\S.*)$")
_THREAD = re.compile(r"^Thread (\d{1,5})( Crashed)?:(?:: ?|\s+)?(.*)$")
_THREAD_NAME = re.compile(r"^Thread (\d{1,5}) name:\s+(.*)$")
_FRAME = re.compile(r"^\d{1,4}\s+(.+?)\s+(0x[0-9a-fA-F]{1,16})\s+(.*)$")
_SYMBOL = re.compile(r"^(\S.*) \+ (\d{1,12})(?: \(([^()]{1,256}):(\d{1,9})\))?$")
_IMAGE = re.compile(
    r"^\s*(0x[0-9a-fA-F]{1,16}) -\s+(0x[0-9a-fA-F]{1,16}|\?\?\?)\s+\+?(\S.*?)\s+<([0-9A-Fa-f-]{32,36})>\s+(\S.*)$"
)
_ARCH = re.compile(r"\s(x86_64h?|i386|arm64e?|armv7[sk]?|arm64_32)\b")
_OS = re.compile(r"^(iPhone OS|iPad ?OS|macOS|Mac OS X|iOS|tvOS|watchOS)\s+([\d.]{1,20})(?:\s+\((\w{1,16})\))?")


def add_apple_crash_report(event: dict[str, Any], payload: bytes) -> None:
    """Fill in what the event lacks from a crash report, in place. What is not understood changes nothing."""
    parsed = parse_apple_crash_report(payload[:MAX_BYTES].decode("utf-8", "replace"))
    for key, value in parsed.items():
        if key == "contexts" and isinstance(event.get("contexts"), dict):
            for name, context in value.items():
                event["contexts"].setdefault(name, context)
        elif not event.get(key):
            event[key] = value


def parse_apple_crash_report(text: str) -> dict[str, Any]:
    """Attributes of a native event: ``exception``, ``threads``, ``debug_meta``, ``contexts``, ``platform``, ``level``.

    Empty when the text is no crash report.
    """
    report = _Report()
    for line in text.splitlines():
        report.read(line[:1024])
    if not report.threads:
        return {}
    event: dict[str, Any] = {"platform": "native", "level": "fatal", "threads": {"values": report.finished_threads()}}
    event["exception"] = {"values": [report.exception()]}
    if report.images:
        event["debug_meta"] = {"images": report.images}
    contexts = report.contexts()
    if contexts:
        event["contexts"] = contexts
    return event


class _Report:
    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.threads: dict[int, dict[str, Any]] = {}
        self.images: list[dict[str, Any]] = []
        self._current: dict[str, Any] | None = None
        self._in_images = False

    def read(self, line: str) -> None:
        """Take in one line."""
        if line.startswith("Binary Images"):
            self._in_images = True
        elif self._in_images:
            self._image(line)
        elif line.startswith("Thread "):
            self._thread(line)
        elif self._current is not None and line[:1].isdigit():
            self._frame(line)
        else:
            if not line.strip():
                self._current = None
            field = _FIELD.match(line)
            if field and not self.threads:
                self.fields.setdefault(field[1].strip(), field[2].strip())

    def _thread(self, line: str) -> None:
        name = _THREAD_NAME.match(line)
        if name:
            self._of(int(name[1]))["name"] = name[2].strip()
            return
        header = _THREAD.match(line)
        if header and "crashed with" not in line and len(self.threads) < _MAX_THREADS:
            self._current = self._of(int(header[1]))
            if header[2]:
                self._current.update({"crashed": True, "current": True})
            if header[3].strip():
                self._current.setdefault("name", header[3].strip())
        else:
            self._current = None

    def _of(self, number: int) -> dict[str, Any]:
        return self.threads.setdefault(number, {"id": number, "frames": []})

    def _frame(self, line: str) -> None:
        match = _FRAME.match(line)
        if match is None or self._current is None or len(self._current["frames"]) >= _MAX_FRAMES:
            return
        frame: dict[str, Any] = {"package": match[1], "instruction_addr": match[2]}
        symbol = _SYMBOL.match(match[3])
        if symbol and not symbol[1].startswith("0x"):
            frame["function"] = symbol[1]
            frame["symbol_addr"] = hex(max(int(match[2], 16) - int(symbol[2]), 0))
            if symbol[3]:
                frame.update({"filename": symbol[3], "lineno": int(symbol[4])})
        self._current["frames"].append(frame)

    def _image(self, line: str) -> None:
        match = _IMAGE.match(line)
        if match is None or len(self.images) >= _MAX_IMAGES:
            return
        image: dict[str, Any] = {
            "type": "macho",
            "image_addr": match[1],
            "debug_id": match[4].lower(),
            "code_file": match[5],
        }
        if match[2] != "???":
            image["image_size"] = max(int(match[2], 16) - int(match[1], 16) + 1, 0)
        arch = _ARCH.search(" " + match[3])
        if arch:
            image["arch"] = arch[1]
        self.images.append(image)

    def finished_threads(self) -> list[dict[str, Any]]:
        """The threads in the event's form: frames oldest call first."""
        result: list[dict[str, Any]] = []
        for _, thread in sorted(self.threads.items()):
            frames = thread.pop("frames")
            if frames:
                thread["stacktrace"] = {"frames": frames[::-1]}
            result.append(thread)
        return result

    def exception(self) -> dict[str, Any]:
        """The exception, with the stack of the crashed thread; the thread keeps none of its own."""
        raw = self.fields.get("Exception Type", "AppleCrashReport")
        kind, _, rest = raw.partition(" (")
        value = self.fields.get("Exception Subtype") or rest.rstrip(")") or self.fields.get("Termination Reason", "")
        exception: dict[str, Any] = {
            "type": kind,
            "value": value or "Fatal Error",
            "mechanism": {"type": "applecrashreport", "handled": False, "synthetic": True},
        }
        for number, thread in self.threads.items():
            if thread.get("crashed"):
                exception["thread_id"] = number
                stacktrace = thread.pop("stacktrace", None)
                if stacktrace:
                    exception["stacktrace"] = stacktrace
        return exception

    def contexts(self) -> dict[str, Any]:
        """Operating system, device and application, where the report names them."""
        contexts: dict[str, Any] = {}
        os = _OS.match(self.fields.get("OS Version", ""))
        if os:
            name = {"iPhone OS": "iOS", "Mac OS X": "macOS", "iPad OS": "iPadOS"}.get(os[1], os[1])
            contexts["os"] = {"name": name, "version": os[2], **({"build": os[3]} if os[3] else {})}
        if self.fields.get("Hardware Model"):
            contexts["device"] = {"model": self.fields["Hardware Model"]}
        if self.fields.get("Identifier"):
            contexts["app"] = {"app_identifier": self.fields["Identifier"]}
            if self.fields.get("Version"):
                contexts["app"]["app_version"] = self.fields["Version"]
        return contexts
