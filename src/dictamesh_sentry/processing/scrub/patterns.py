"""What personal and secret data looks like. All patterns are re2: linear in the text, whatever the text is."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import re2

FILTERED: Final = "[Filtered]"


def compile_pattern(source: str) -> Any:
    """A case-sensitive re2 pattern with bounded memory. Raises re2.error for what is no pattern."""
    options = re2.Options()
    options.max_mem = 8 << 20
    options.log_errors = False
    return re2.compile(source, options)


class Pattern(NamedTuple):
    """A regular expression and the groups that hold what is to be replaced (0: all of it)."""

    regex: Any
    groups: tuple[int, ...] = (0,)


_IPV4 = r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b"
_IPV6 = (
    r"\b(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}\b"
    r"|\b(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6}\b"
    r"|::(?:[0-9a-fA-F]{1,4}:){0,5}[0-9a-fA-F]{1,4}\b"
    r"|\b(?:[0-9a-fA-F]{1,4}:){1,7}:"
)
_CARD = (
    r"\b(?:4\d{3}|5[0-9]\d{2}|2[2-7]\d{2}|35\d{2}|6\d{3})[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}\b"
    r"|\b3(?:0[0-5]|[4789]\d|6\d)\d[ -]?\d{6}[ -]?\d{4,5}\b"
)
_IBAN_COUNTRIES = (
    "AD|AE|AL|AT|AZ|BA|BE|BG|BH|BI|BR|BY|CH|CR|CY|CZ|DE|DJ|DK|DO|EE|EG|ES|FI|FK|FO|FR|GB|GE|GI|GL|GR|GT|HR|HU|IE|IL|"
    "IQ|IS|IT|JO|KW|KZ|LB|LC|LI|LT|LU|LV|LY|MC|MD|ME|MK|MN|MR|MT|MU|NI|NL|NO|OM|PK|PL|PS|PT|QA|RO|RS|RU|SA|SC|SD|SE|"
    "SI|SK|SM|SO|ST|SV|TL|TN|TR|UA|VA|VG|XK|YE"
)

SOURCES: Final[dict[str, tuple[str, tuple[int, ...]]]] = {
    "ip": (f"{_IPV4}|{_IPV6}", (0,)),
    "imei": (r"\b\d{2}-?\d{6}-?\d{6}-?\d{1,2}\b", (0,)),
    "mac": (r"\b[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}\b", (0,)),
    "uuid": (r"(?i)\b[a-z0-9]{8}-?[a-z0-9]{4}-?[a-z0-9]{4}-?[a-z0-9]{4}-?[a-z0-9]{12}\b", (0,)),
    "email": (r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+\b", (0,)),
    "iban": (rf"\b(?:{_IBAN_COUNTRIES})\d{{2}}[ ]?(?:[A-Z0-9]{{4}}[ ]?){{2,7}}[A-Z0-9]{{1,4}}\b", (0,)),
    "creditcard": (_CARD, (0,)),
    "pemkey": (
        r"-----BEGIN[A-Z ]{1,40}(?:PRIVATE|PUBLIC) KEY-----\s*([A-Za-z0-9+/=\s\\:,-]+?)\s*-----END[A-Z ]{1,40}KEY-----",
        (1,),
    ),
    "urlauth": (r"\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^:@/\s]{0,256}:([^@/\s]{1,256})@", (1,)),
    "usssn": (r"\b\d{3}-\d{2}-\d{4}\b", (0,)),
    # What stands before keeps the /home/ of a web address out.
    "userpath": (
        r"(?i)(?:(?:^|[^a-z0-9._-])/(?:home|Users)/|\b[a-z]:\\{1,2}(?:Users|Documents and Settings)\\{1,2})"
        r"([^/\\\s\"']{1,128})",
        (1,),
    ),
    "bearer": (r"(?i)\bBearer\s+([^\s\"',;]+)", (0,)),
}
PATTERNS: Final = {name: Pattern(compile_pattern(source), groups) for name, (source, groups) in SOURCES.items()}

_WORDS = r"password|secret|passwd|api[_\- ]?key|auth|credentials|mysql_pwd|private[_-]?key|two_factor"
SENSITIVE_KEY_SOURCE: Final = rf"(?i){_WORDS}|token|^otp$"
SENSITIVE_KEY: Final = compile_pattern(SENSITIVE_KEY_SOURCE)
SENSITIVE_TEXT: Final = compile_pattern(rf"(?i){_WORDS}|\btoken\s*[:=]\s*\S")

COOKIE_NAMES: Final = frozenset(
    {
        *("sentrysid", "sudo", "su", "session", "__session", "sessionid", "user_session", "symfony", "phpsessid"),
        *("fasthttpsessionid", "mysession", "irissessionid", "csrf", "xsrf", "_csrf", "_xsrf", "csrf-token"),
        *("csrf_token", "csrftoken", "xsrf-token", "fastcsrf", "_iris_csrf", "_vercel_jwt"),
    }
)
COOKIE_PAIR: Final = compile_pattern(
    r"(?i)(?:^|;\s*)(?:" + "|".join(re2.escape(name) for name in sorted(COOKIE_NAMES)) + r")=([^;\s]+)"
)

# Only replaces parts of messages: whole messages are worth more than the rare secret a word like "auth" hints at.
MESSAGE_RULES: Final = (
    ("@email:replace", PATTERNS["email"], "[email]"),
    ("@creditcard:replace", PATTERNS["creditcard"], "[creditcard]"),
    ("@iban:replace", PATTERNS["iban"], "[iban]"),
    ("@usssn:replace", PATTERNS["usssn"], "[us-ssn]"),
    ("@bearer:replace", PATTERNS["bearer"], "Bearer [token]"),
)
VALUE_RULES: Final = tuple(
    (f"@{name}:filter", PATTERNS[name])
    for name in ("pemkey", "bearer", "creditcard", "iban", "urlauth", "usssn", "userpath")
)
