"""Filters by user agent: browsers that are too old, and crawlers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import re2

from dictamesh_sentry.processing.normalize.useragent import parse_user_agent

# Subfilter → oldest major version that is not legacy.
MINIMUM_VERSIONS = {
    "ie": 12,
    "edge": 111,
    "chrome": 111,
    "firefox": 111,
    "safari": 16,
    "opera": 100,
    "opera_mini": 35,
    "android": 4,
}


class _Legacy(NamedTuple):
    browser: str
    at_least: int
    below: int


_OLDER_IDS = {
    "ie_pre_9": _Legacy("ie", 0, 9),
    "ie9": _Legacy("ie", 9, 10),
    "ie10": _Legacy("ie", 10, 11),
    "ie11": _Legacy("ie", 11, 12),
    "edge_pre_79": _Legacy("edge", 0, 79),
    "safari_pre_6": _Legacy("safari", 0, 6),
    "opera_pre_15": _Legacy("opera", 0, 15),
    "opera_mini_pre_8": _Legacy("opera_mini", 0, 8),
    "android_pre_4": _Legacy("android", 0, 4),
}
_DEFAULT = ("ie_pre_9", "safari_pre_6", "opera_pre_15", "opera_mini_pre_8", "android_pre_4")
SUBFILTERS = frozenset({*MINIMUM_VERSIONS, *_OLDER_IDS, "default"})
_FAMILIES = {
    "IE": "ie",
    "Edge": "edge",
    "Chrome": "chrome",
    "Firefox": "firefox",
    "Safari": "safari",
    "Opera": "opera",
    "Opera Mini": "opera_mini",
    "Android": "android",
}


@lru_cache(maxsize=256)
def _rules(subfilters: tuple[str, ...]) -> tuple[_Legacy, ...]:
    rules: list[_Legacy] = []
    for name in subfilters:
        if name == "default":
            rules.extend(_OLDER_IDS[old] for old in _DEFAULT)
        elif name in _OLDER_IDS:
            rules.append(_OLDER_IDS[name])
        elif name in MINIMUM_VERSIONS:
            rules.append(_Legacy(name, 0, MINIMUM_VERSIONS[name]))
    return tuple(rules)


@lru_cache(maxsize=4096)
def _browser(user_agent: str) -> tuple[str, int] | None:
    browser, _os, _device = parse_user_agent(user_agent)
    if browser is None:
        return None
    family = _FAMILIES.get(browser["name"])
    major = browser.get("version", "").partition(".")[0]
    return (family, int(major)) if family and major.isascii() and major.isdigit() else None


def is_legacy_browser(user_agent: str, subfilters: Iterable[str]) -> bool:
    """Whether the user agent is a browser that one of the subfilters calls legacy."""
    browser = _browser(user_agent) if user_agent else None
    if browser is None:
        return False
    family, version = browser
    return any(rule.browser == family and rule.at_least <= version < rule.below for rule in _rules(tuple(subfilters)))


_crawler = re2.compile(
    r"(?i)Mediapartners-Google|AdsBot-Google|Googlebot|FeedFetcher-Google|Storebot-Google|"
    r"BingBot|BingPreview|Baiduspider|Slurp|Sogou|facebookexternalhit|facebookcatalog|facebookbot|"
    r"meta-external|ia_archiver|"
    r"\bbots?\b|\bspider\b|Slackbot|Slack-ImgProxy|Calypso AppCrawler|Calypso|pingdom|lyticsbot|"
    r"AWS Security Scanner|HubSpot Crawler|"
    r"Bytespider|Better Uptime|Cloudflare-Healthchecks|GTmetrix|BrightEdgeOnCrawl|ELB-HealthChecker|Yeti/|naver|"
    r"ClaudeBot|CCBot|GPTBot|OAI-SearchBot|PerplexityBot|Applebot|DuckDuckBot|Lightpanda"
)
_allowed = re2.compile(r"(?i)Slackbot\s1\.\d+|SentryUptimeBot|ChatGPT-User")


@lru_cache(maxsize=4096)
def is_crawler(user_agent: str) -> bool:
    """Whether the user agent belongs to a crawler or monitor."""
    return _crawler.search(user_agent) is not None and _allowed.search(user_agent) is None
