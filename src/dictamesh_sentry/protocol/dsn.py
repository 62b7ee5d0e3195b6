"""The DSN: the one string an SDK is configured with."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

_HEX = frozenset("0123456789abcdefABCDEF")


class DsnError(ValueError):
    """The text is not a DSN; the message says why."""


@dataclass(frozen=True, slots=True)
class Dsn:
    """``{scheme}://{public_key}@{host}[:{port}]{path}/{project_id}``; ``str()`` writes it back, without the secret."""

    scheme: str
    public_key: str
    host: str
    port: int | None
    path: str
    project_id: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.public_key}@{self._netloc}{self.path}/{self.project_id}"

    @property
    def _netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def endpoint(self, name: str) -> str:
        """The URL of an ingest endpoint such as ``envelope``, with the trailing slash SDKs use."""
        return f"{self.scheme}://{self._netloc}{self.path}/api/{self.project_id}/{name}/"


def valid_public_key(key: str) -> bool:
    """Whether the server could have issued this key: exactly 32 hex digits."""
    return len(key) == 32 and _HEX.issuperset(key)


def parse_project_id(text: str) -> int:
    """An unsigned decimal project id. Raises DsnError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise DsnError("project id is not a positive number")
    return int(text)


def parse_dsn(text: str) -> Dsn:
    """Parse a DSN; a secret and a query string are ignored. Raises DsnError."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise DsnError(f"not a URL: {error}") from None
    if url.scheme not in ("http", "https"):
        raise DsnError("scheme must be http or https")
    host = url.hostname or ""
    if not host:
        raise DsnError("missing host")
    key = (url.username or "").partition(".")[0]
    if not key:
        raise DsnError("missing public key")
    if not (len(key) == 32 and key.isascii()):
        raise DsnError("public key must have 32 characters")
    path, _, project = url.path.rstrip("/").rpartition("/")
    return Dsn(url.scheme, key, host, port, path, parse_project_id(project))


def format_dsn(base_url: str, public_key: str, project_id: int) -> str:
    """The DSN of a key for an installation reachable at ``base_url`` (which may have a path). Raises DsnError."""
    url = urlsplit(base_url)
    if url.scheme not in ("http", "https") or not url.netloc:
        raise DsnError(f"base URL must begin with http:// or https://, found {base_url!r}")
    netloc = url.netloc.rpartition("@")[2]
    return f"{url.scheme}://{public_key}@{netloc}{url.path.rstrip('/')}/{project_id}"
