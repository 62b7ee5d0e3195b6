"""A client that does not give up: sends events with ids of their own until each is accepted."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field


def envelope(event_id: str, message: str) -> bytes:
    event = {"event_id": event_id, "message": message, "platform": "python", "level": "error", "timestamp": time.time()}
    return f'{{"event_id":"{event_id}"}}\n{{"type":"event"}}\n{json.dumps(event)}\n'.encode()


@dataclass
class Load:
    """Sends at about ``rate`` events a second over all threads, to any of the ports."""

    ports: list[int]
    path: str
    public_key: str
    rate: float = 80
    threads: int = 4
    kinds: int = 7
    accepted: list[str] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for number in range(self.threads):
            self._running.append(threading.Thread(target=self._run, args=(number,), daemon=True))
            self._running[-1].start()

    def stop(self) -> None:
        """No new events; what is being sent is sent until it is accepted."""
        self._stop.set()
        for thread in self._running:
            thread.join(120)
            assert not thread.is_alive()

    def send(self, message: str = "one event", port: int | None = None, patience: float = 60) -> str:
        """Send one event until it is accepted; its id."""
        event_id, began = uuid.uuid4().hex, time.monotonic()
        body = envelope(event_id, message)
        while True:
            status = self._post(body, port or random.choice(self.ports))
            if status == "200":
                break
            with self._lock:
                self.refusals[status] = self.refusals.get(status, 0) + 1
            assert time.monotonic() - began < patience, f"not accepted within {patience} s: {self.refusals}"
            time.sleep(0.2)
        with self._lock:
            self.accepted.append(event_id)
            self.slowest = max(self.slowest, time.monotonic() - began)
        return event_id

    def _run(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            due = time.monotonic() + self.threads / self.rate
            self.send(f"kind {(number + count) % self.kinds}", patience=120)
            count += 1
            time.sleep(max(0.0, due - time.monotonic()))

    def _post(self, body: bytes, port: int) -> str:
        """The status, or the name of what went wrong: then nobody knows whether it was accepted."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={self.public_key}"}
        try:
            connection.request("POST", self.path, body, headers)
            return str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()


def until(true: Callable[[], bool], seconds: float, failure: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, failure()
        time.sleep(0.5)
