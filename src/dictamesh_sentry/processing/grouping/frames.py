"""Stack traces as grouping sees them: which frames count, and what identifies one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import re2

from dictamesh_sentry.processing.grouping.functions import family_of, normalize_function

Frame = dict[str, Any]

MAX_CONTEXT_LINE = 120
# Inlined by some versions of Python and a frame of their own in others.
_PYTHON_COMPREHENSIONS = frozenset({"<listcomp>", "<dictcomp>", "<setcomp>"})

_LIBRARY_PATHS = {
    "python": ("site-packages/", "dist-packages/", "/lib/python", "\\lib\\", "<frozen "),
    "javascript": ("node_modules/", "webpack/", "~/", "native code", "node:", "chrome-extension:", "moz-extension:"),
    "ruby": ("/gems/", "/lib/ruby/", "<internal:"),
    "php": ("/vendor/",),
    "go": ("/go/pkg/mod/", "/usr/local/go/", "/vendor/", "/libexec/src/"),
    "native": ("/usr/lib", "/lib/", "/system/", "/rustc/", "/.cargo/", "c:\\windows\\"),
    "elixir": ("/deps/",),
}
_LIBRARY_MODULES = {
    "java": (
        "java.",
        "javax.",
        "jdk.",
        "sun.",
        "com.sun.",
        "android.",
        "androidx.",
        "com.android.",
        "dalvik.",
        "kotlin.",
        "kotlinx.",
        "scala.",
        "org.springframework.",
        "org.apache.",
        "io.netty.",
        "io.sentry.",
    ),
    "csharp": ("System.", "Microsoft.", "Sentry."),
    "go": ("runtime", "net/http", "internal/"),
    "native": ("std::", "core::", "alloc::", "__libc_", "_start", "__scrt_", "BaseThreadInitThunk", "RtlUserThread"),
}
_LIBRARY_MODULES["kotlin"] = _LIBRARY_MODULES["java"]
_LIBRARY_PATHS["node"] = _LIBRARY_PATHS["javascript"]

_HASHED_NAME = re2.compile(r"([.-])(?:[0-9a-f]{7,64}|[0-9A-Za-z_-]{8})(\.(?:chunk\.|bundle\.|min\.)*[a-z]{2,4})$")
_DIGIT = re2.compile(r"\d")


class FrameIdentity(NamedTuple):
    """What must agree for two frames to be the same place: module or file name, function, and sometimes the line."""

    place: str
    function: str
    context_line: str


def text_of(value: object) -> str:
    return value if type(value) is str else ""


def frames_of(stacktrace: object) -> list[Frame]:
    """The frames of a stack trace, oldest call first; empty when there are none."""
    if type(stacktrace) is not dict:
        return []
    frames = stacktrace.get("frames")
    if type(frames) is not list:
        return []
    return [frame for frame in frames if type(frame) is dict]


@lru_cache(maxsize=8192)
def normalize_filename(path: str) -> str:
    """A path's last part, without the content hash that bundlers put into it and without a query string."""
    if path.startswith(("http:", "https:", "webpack:", "app:", "file:")):
        path = path.split("?", 1)[0].split("#", 1)[0]
    name = path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    match = _HASHED_NAME.search(name)
    if match is not None and _DIGIT.search(match.group()):
        name = f"{name[: match.start()]}{match.group(1)}<hash>{match.group(2)}"
    return name


@lru_cache(maxsize=8192)
def _place(module: str, filename: str, package: str, platform: str) -> str:
    """Module where the platform has real ones, otherwise the file's name, otherwise the library it is in."""
    family = family_of(platform)
    if module and family == "other":
        return normalize_function(module, platform) or module
    if filename:
        return normalize_filename(filename)
    if module:
        return module
    if package:
        return normalize_filename(package)
    return ""


@lru_cache(maxsize=16384)
def _identity(platform: Any, function: Any, module: Any, filename: Any, package: Any) -> FrameIdentity | None:
    platform = text_of(platform)
    function = text_of(function)
    if function in _PYTHON_COMPREHENSIONS and platform == "python":
        return None
    name = normalize_function(function, platform)
    place = _place(text_of(module), text_of(filename), text_of(package), platform)
    if name:
        return FrameIdentity(place, name, "")
    if family_of(platform) == "native" or not place:
        return None
    return FrameIdentity(place, "", "")


def identity_of(frame: Frame, platform: str) -> FrameIdentity | None:
    """The frame's identity; None when nothing stable is known of it (an address alone changes with every build)."""
    get = frame.get
    values = (
        get("platform") or platform,
        get("function"),
        get("module"),
        get("filename") or get("abs_path"),
        get("package"),
    )
    try:
        identity = _identity(*values)
    except TypeError:  # a list or an object where text belongs
        identity = _identity(*map(text_of, values))
    if identity is None or identity.function or family_of(text_of(values[0])) != "javascript":
        return identity
    line = text_of(get("context_line")).strip()
    if not line or len(line) > MAX_CONTEXT_LINE:
        return identity
    return identity._replace(context_line=" ".join(line.split()))


@lru_cache(maxsize=8192)
def _is_library(path: str, module: str, function: str, platform: str) -> bool:
    family = family_of(platform)
    lowered = path.lower()
    for part in _LIBRARY_PATHS.get(platform, _LIBRARY_PATHS.get(family, ())):
        if part in lowered:
            return True
    prefixes = _LIBRARY_MODULES.get(platform, _LIBRARY_MODULES.get(family, ()))
    return bool(prefixes) and (module or function).startswith(prefixes)


def is_library_frame(frame: Frame, platform: str) -> bool:
    """Whether a frame lies in a place where runtimes, package managers and systems keep their own code."""
    return _is_library(
        text_of(frame.get("abs_path")) or text_of(frame.get("filename")) or text_of(frame.get("package")),
        text_of(frame.get("module")),
        text_of(frame.get("function")),
        text_of(frame.get("platform")) or platform,
    )


def complete_in_app(frames: Sequence[Frame], platform: str) -> None:
    """Decide ``in_app`` in place where the SDK said nothing of any frame, from well-known library locations.

    Where the SDK marked some frames, the unmarked ones are not in the app: that is what SDKs mean by it.
    """
    undecided = [frame for frame in frames if type(frame.get("in_app")) is not bool]
    if not undecided:
        return
    guess = len(undecided) == len(frames)
    for frame in undecided:
        frame["in_app"] = guess and not is_library_frame(frame, platform)
