"""JavaScript errors caused by browser extensions, injected scripts and in-app browsers."""

from __future__ import annotations

from typing import Any

import re2

_MESSAGE_MARKERS = (
    "top.GLOBALS",
    "originalCreateNotification",
    "canvas.contentDocument",
    "MyApp_RemoveAllHighlights",
    "http://tt.epicplay.com",
    "Can't find variable: ZiteReader",
    "jigsaw is not defined",
    "ComboSearch is not defined",
    "http://loading.retry.widdit.com/",
    "atomicFindClose",
    "fb_xd_fragment",
    "bmi_SafeAddOnload",
    "EBCallBackMessageReceived",
    "_gCrWeb",
    "conduitPage",
    "null is not an object (evaluating 'elt.parentNode')",
    "plugin.setSuspendState is not a function",
    "Extension context invalidated",
    "can't access dead object",
    "webkit-masked-url",
    "Cannot redefine property: solana",
    "Cannot redefine property: ethereum",
    "Can't redefine property solana",
    "Can't redefine property ethereum",
    "undefined is not an object (evaluating 'a.L')",
    "The message port closed before a response was received",
    "runtime.sendMessage(",
)
_SOURCES = (
    r"graph\.facebook\.com",
    r"connect\.facebook\.net",
    r"eatdifferent\.com\.woopra-ns\.com",
    r"static\.woopra\.com(?:/js)?",
    r"127\.0\.0\.1:4001/isrunning",
    r"texthelp",
    r"metrics\.itunes\.apple\.com\.edgesuite\.net",
    r"kaspersky-labs\.com",
    r"^chrome(?:-extension)?://",
    r"^moz-extension://",
    r"^safari(?:-web)?-extension://",
    r"^webkit-masked-url",
)
_message = re2.compile("(?i)" + "|".join(re2.escape(marker) for marker in _MESSAGE_MARKERS))
_source = re2.compile("(?i)" + "|".join(_SOURCES))
_ANONYMOUS = ("", "<anonymous>", "[native code]", "anonymous")


def is_browser_extension(event: dict[str, Any]) -> bool:
    """Whether a JavaScript error comes from a browser extension or an injected script."""
    if event.get("platform") != "javascript":
        return False
    values = (event.get("exception") or {}).get("values") or ()
    if not values:
        return False
    # The exception raised last is the outermost one.
    exception = values[-1]
    value = exception.get("value")
    if value and _message.search(value):
        return True
    frames = (exception.get("stacktrace") or {}).get("frames") or ()
    for frame in reversed(frames):
        source = frame.get("abs_path") or frame.get("filename") or ""
        if source not in _ANONYMOUS:
            return _source.search(source) is not None
    return False
