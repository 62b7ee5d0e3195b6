"""The stable part of a function's name: without what compilers, runtimes and bundlers generate anew each time.

Patterns here run on RE2, because function names come from the payload.
"""

from __future__ import annotations

from functools import lru_cache

import re2

UNKNOWN = frozenset(
    {
        "",
        "?",
        "<unknown>",
        "<unknown function>",
        "unknown",
        "<anonymous>",
        "anonymous",
        "[anonymous]",
        "<anonymous closure>",
        "anonymous function",
        "Anonymous function",
        "<redacted>",
        "(unknown)",
        "<fn>",
    }
)

_FAMILIES = {
    "javascript": "javascript",
    "node": "javascript",
    "native": "native",
    "c": "native",
    "cocoa": "native",
    "objc": "native",
    "rust": "native",
    "swift": "native",
}


def family_of(platform: str) -> str:
    """``javascript``, ``native`` or ``other``: what the ``family`` matcher of the rules compares."""
    return _FAMILIES.get(platform, "other")


_JAVASCRIPT = (
    (re2.compile(r"^(?:async |new |get |set |static )+"), ""),
    (re2.compile(r" \[as [^\]]*\]$"), ""),
    (re2.compile(r"^(?:Object|Module|Function|global|window|self|exports|__webpack_exports__)\."), ""),
    (re2.compile(r"\.?(?:<anonymous>|<computed>|prototype\b)"), ""),
    (re2.compile(r"\$\d+$|_0x[0-9a-f]+"), ""),
    (re2.compile(r"^_+webpack_(?:require|modules|exports)_*.*$"), "webpack"),
)
_JAVA = (
    (re2.compile(r"\$\$Lambda(?:\$\d+)?(?:/(?:0x)?[0-9a-fA-F]+)?(?:\.|$)"), "$$Lambda."),
    (re2.compile(r"\$\$(?:FastClassBy|EnhancerBy|KeyFactoryBy|Proxy)[A-Za-z]*\$\$[0-9a-fA-F]+"), "$$generated"),
    (re2.compile(r"\$\$SpringCGLIB\$\$\d+"), "$$generated"),
    (re2.compile(r"Generated(Method|Constructor|Serialization\w*)Accessor\d+"), "Generated${1}Accessor"),
    (re2.compile(r"\$Proxy\d+"), "$Proxy"),
    (re2.compile(r"lambda\$([^$]*)\$\d+"), "lambda$${1}"),
    (re2.compile(r"access\$\d+"), "access$"),
    (re2.compile(r"\$\d+"), "$"),
)
_PHP = (
    (re2.compile(r"class@anonymous.*?(::|->|$)"), "class@anonymous${1}"),
    (re2.compile(r"\{closure[^}]*\}"), "{closure}"),
    (re2.compile(r"@anonymous\x00.*$"), "@anonymous"),
)
_RUBY = (
    (re2.compile(r"^(?:(?:block|rescue|ensure)(?: \(\d+ levels\))? in )+"), ""),
    (re2.compile(r"^[A-Z][\w:]*[#.]"), ""),
    (re2.compile(r"_{1,3}\d+_\d+$"), ""),
)
_GO = (
    (re2.compile(r"\[[^\]]*\]"), ""),
    (re2.compile(r"(?:\.func\d+|\.gowrap\d+|\.deferwrap\d+)(?:\.\d+)*"), ".func"),
    (re2.compile(r"^glob\.\."), "glob."),
    (re2.compile(r"[(*)]"), ""),
    (re2.compile(r"-fm$"), ""),
)
_CSHARP = (
    (re2.compile(r"<([^<>]+)>[a-z]__\w+(?:\.MoveNext)?"), "${1}"),
    (re2.compile(r"<([^<>]+)>d(?:\.MoveNext)?"), "${1}"),
    (re2.compile(r"<>c(?:__DisplayClass\w*)?\.?"), ""),
    (re2.compile(r"`\d+"), ""),
    (re2.compile(r"\{ <lambda> \}|\{ <(\w+)> \}"), "lambda"),
    (re2.compile(r"\|\d+_\d+$"), ""),
)
_DART = (
    (re2.compile(r"\.?<(?:anonymous closure|fn)>"), ""),
    (re2.compile(r"^_\$"), ""),
)
_ELIXIR = (
    (re2.compile(r"^anonymous fn/\d+ in "), ""),
    (re2.compile(r"^-(.*)-(?:fun|lc\$\^\d+|inlined)-.*$"), "${1}"),
)
_PYTHON = ((re2.compile(r"^<(?:lambda|genexpr)>$"), "<lambda>"),)
_NATIVE = (
    (re2.compile(r"::h[0-9a-f]{16}$"), ""),
    (re2.compile(r"(?:\.(?:cold|part|isra|constprop|llvm|lto_priv|clone)(?:\.\d+)*)+$"), ""),
    (re2.compile(r"^_+\d*((?:[-+]\[[^\]]+\]|[A-Za-z_]\w*?))_block_invoke(?:_?\d+)?$"), "${1}_block"),
    (
        re2.compile(r"^(?:partial apply for |(?:implicit )?closure #\d+ in |@objc |merged |specialized )+"),
        "",
    ),
    (re2.compile(r"\(anonymous namespace\)|`anonymous[ -]namespace'|\{anonymous\}"), "anonymous"),
    (re2.compile(r"\{\{(?:closure|vtable\.shim|constructor)\}\}(?:#\d+)?"), "{closure}"),
    (re2.compile(r"\{lambda\([^)]*\)#\d+\}|'lambda\d*'|lambda_[0-9a-f]{8,}|\$_\d+|<lambda_\w+>"), "lambda"),
    (re2.compile(r"\[abi:\w+\]"), ""),
)

_RULES = {
    "javascript": _JAVASCRIPT,
    "node": _JAVASCRIPT,
    "java": _JAVA,
    "kotlin": _JAVA,
    "groovy": _JAVA,
    "php": _PHP,
    "ruby": _RUBY,
    "go": _GO,
    "csharp": _CSHARP,
    "dart": _DART,
    "elixir": _ELIXIR,
    "python": _PYTHON,
}


def _expand(template: str, match: object) -> str:
    return template.replace("${1}", (match.group(1) if "${1}" in template else "") or "")  # type: ignore[attr-defined]


def _without_nested(text: str, opening: str, closing: str) -> str:
    """Drop balanced bracketed parts: template arguments, parameter lists. Unbalanced text is left as it is."""
    depth = 0
    kept: list[str] = []
    for position, character in enumerate(text):
        if character == opening and (position > 0 or depth):
            depth += 1
        elif character == closing and depth:
            depth -= 1
        elif not depth:
            kept.append(character)
    return "".join(kept) if depth == 0 else text


def _native(name: str) -> str:
    """C, C++, Objective-C, Swift and Rust: without template arguments, parameters, return type and clone suffixes."""
    for pattern, replacement in _NATIVE:
        name = pattern.sub(lambda match, template=replacement: _expand(template, match), name)
    if name.startswith(("-[", "+[")) or "operator" in name:
        return name
    name = _without_nested(name, "<", ">")
    name = _without_nested(name, "(", ")")
    for suffix in (" const", " volatile", " noexcept", " &&", " &"):
        name = name.removesuffix(suffix)
    if " " in name.strip() and "::" in name:
        name = name.strip().rsplit(" ", 1)[-1]
    return name.strip()


@lru_cache(maxsize=8192)
def normalize_function(name: str, platform: str) -> str:
    """The part of a function's name that two builds and two runs of the same code share; "" when it is unknown."""
    name = name.strip()[:512]
    if name in UNKNOWN:
        return ""
    if family_of(platform) == "native":
        return _native(name)
    for pattern, replacement in _RULES.get(platform, ()):
        name = pattern.sub(lambda match, template=replacement: _expand(template, match), name)
    name = name.strip(" .")
    return "" if name in UNKNOWN else name
