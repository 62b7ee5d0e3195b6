"""Accept rate of the edge against a bare ASGI application that reads and gunzips the same bodies.

    python benchmarks/edge_load.py [--seconds 5] [--connections 32] [--profile FILE]

Both servers are Granian with the same settings, one process, on loopback; the load generator runs on the same
machine. They are measured in turns, so that a busy machine slows both. The edge's stream is fsync'd; the figure of
the disk is printed beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

SERVER = """
import asyncio, os, sys
from granian.constants import Interfaces
from granian.server.embed import Server
kind, port, profile = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if kind == "bare":
    from isal import igzip
    async def application(scope, receive, send):
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        igzip.decompress(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b"{}"})
else:
    from dictamesh_sentry.asgi import application
async def main():
    server = Server(application, address="127.0.0.1", port=port, interface=Interfaces.ASGI, websockets=False,
                    backlog=1024, log_enabled=False)
    if profile:
        import cProfile, signal
        profiler = cProfile.Profile()
        profiler.enable()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: (profiler.disable(), profiler.dump_stats(profile), os._exit(0)))
    await server.serve()
asyncio.run(main())
"""


def event(number: int) -> bytes:
    """A gzipped envelope of a realistic error event of about 6 KB."""
    frames = [
        {
            "filename": f"app/module_{index}.py",
            "function": f"handle_{index}",
            "lineno": index * 7,
            "in_app": index % 3 == 0,
            "context_line": "    return process(value)",
            "vars": {"value": f"'item-{number}-{index}'", "count": index},
        }
        for index in range(25)
    ]
    payload = {
        "event_id": uuid.UUID(int=number).hex,
        "platform": "python",
        "timestamp": time.time(),
        "exception": {"values": [{"type": "ValueError", "value": f"bad {number}", "stacktrace": {"frames": frames}}]},
        "tags": {"server": f"web-{number % 5}"},
    }
    body = json.dumps(payload).encode()
    head = json.dumps({"event_id": payload["event_id"], "sent_at": "2026-01-01T00:00:00Z"}).encode()
    return gzip.compress(head + b'\n{"type":"event","length":%d}\n' % len(body) + body + b"\n")


async def _client(port: int, requests: list[bytes], until: float, counts: list[int], latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    index = 0
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(requests[index % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise AssertionError(head[:200])
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
        if length is not None:
            await reader.readexactly(int(length.split(b":")[1]))
        else:
            await reader.readuntil(b"0\r\n\r\n")
        latencies.append(time.perf_counter() - began)
        counts[0] += 1
        index += 1
    writer.close()


async def load(port: int, path: str, key: str, seconds: float, connections: int) -> tuple[float, float]:
    """Requests per second and the 95th percentile of latency in milliseconds."""
    requests = []
    for number in range(64):
        body = event(number)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
            f"X-Sentry-Auth: Sentry sentry_key={key}, sentry_version=7, sentry_client=sentry.python/2.0\r\n"
            f"Content-Type: application/x-sentry-envelope\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    counts, latencies = [0], []
    started = time.perf_counter()
    until = started + seconds
    await asyncio.gather(*(_client(port, requests, until, counts, latencies) for _ in range(connections)))
    elapsed = time.perf_counter() - started
    return counts[0] / elapsed, statistics.quantiles(latencies, n=20)[18] * 1000


def wait_for(port: int) -> None:
    import socket

    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the server did not start")


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fsync_milliseconds(folder: Path) -> float:
    """Median time of an append of 8 KB with fsync on the stream's disk."""
    times = []
    with (folder / "probe").open("wb") as file:
        for _ in range(50):
            began = time.perf_counter()
            file.write(b"x" * 8192)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def prepare(environment: dict[str, str]) -> tuple[int, str]:
    """A migrated metadata store with one project; its id and key."""
    script = (
        "import django; django.setup()\n"
        "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
        "from dictamesh_sentry.organizations.models import Organization\n"
        "from dictamesh_sentry.projects.models import Project, ProjectKey\n"
        "o = Organization.objects.create(slug='bench', name='Bench')\n"
        "p = Project.objects.create(organization=o, slug='bench', name='Bench')\n"
        "k = ProjectKey.objects.create(project=p); print(p.pk, k.public_key)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    project, key = done.stdout.split()[-2:]
    return int(project), key


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", default="")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="edge-load-"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SENTRY_")}
    environment |= {"SENTRY_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "dictamesh_sentry.config.django"}
    servers: list[subprocess.Popen[bytes]] = []
    try:
        project, key = prepare(environment)
        ports = {}
        for kind in ("bare", "edge"):
            ports[kind] = free_port()
            profile = options.profile if kind == "edge" else ""
            command = [sys.executable, "-c", SERVER, kind, str(ports[kind]), profile]
            servers.append(subprocess.Popen(command, env=environment))
            wait_for(ports[kind])
        path = f"/api/{project}/envelope/"
        rates: dict[str, list[float]] = {"bare": [], "edge": []}
        for number in range(options.rounds + 1):
            for server, (kind, port) in zip(servers, ports.items(), strict=True):
                seconds = options.seconds if number else 1.0  # the first round warms up
                before = cpu_seconds(server.pid)
                rate, slowest = asyncio.run(load(port, path, key, seconds, options.connections))
                used = (cpu_seconds(server.pid) - before) / (rate * seconds) * 1e6
                if number:
                    rates[kind].append(rate)
                    print(
                        f"round {number} {kind}: {rate:7.0f} requests/s, p95 {slowest:6.1f} ms, "
                        f"{used:4.0f} µs of CPU a request",
                        flush=True,
                    )
        bare, edge = statistics.median(rates["bare"]), statistics.median(rates["edge"])
        print(
            f"bare {bare:.0f}/s, edge {edge:.0f}/s, ratio {edge / bare:.2f}; fsync {fsync_milliseconds(folder):.2f} ms"
        )
    finally:
        for server in servers:
            server.terminate()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
