"""Closed-loop load: each client does one thing after the other; what a call costs is what its caller waits."""

import http.client
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# Called with the number of the client, returns what that client does again and again.
Client = Callable[[int], Callable[[], None]]
CLIENTS = (1, 8, 32)
_OK = 200


def measure(client: Client, *, clients: int, seconds: float = 3.0) -> dict[str, float]:
    """Calls per second and milliseconds. An exception of any call fails the run: a refusal is not a fast answer."""
    waits: list[list[float]] = [[] for _ in range(clients)]
    errors: list[BaseException] = []
    gate = threading.Barrier(clients + 1)
    load = _Load(client, gate, seconds, errors)
    threads = [threading.Thread(target=load.work, args=(number, waits[number])) for number in range(clients)]
    for thread in threads:
        thread.start()
    gate.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    if errors:
        raise errors[0]
    every = sorted(wait * 1000 for each in waits for wait in each)
    cuts = statistics.quantiles(every, n=100, method="inclusive")
    return {
        "calls": len(every),
        "per_second": round(len(every) / elapsed, 1),
        "p50_ms": round(cuts[49], 2),
        "p95_ms": round(cuts[94], 2),
        "p99_ms": round(cuts[98], 2),
    }


def against(figures: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, Any]:
    """Absolute figures are this machine's; the ratios are what travels."""
    ratios = {
        f"{name}_ratio": round(value / baseline[name], 3)
        for name, value in figures.items()
        if baseline.get(name) and name != "calls"
    }
    return {**figures, **ratios}


def get(address: str, headers: Mapping[str, str] | None = None) -> Client:
    """A client that keeps its connection, as browsers and agents do."""
    parts = urlsplit(address)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def client(_: int) -> Callable[[], None]:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)

        def call() -> None:
            connection.request("GET", target, headers=dict(headers or {}))
            response = connection.getresponse()
            response.read()
            if response.status != _OK:
                raise RuntimeError(f"GET {target}: {response.status}")

        return call

    return client


@dataclass(frozen=True)
class _Load:
    client: Client
    gate: threading.Barrier
    seconds: float
    errors: list[BaseException]

    def work(self, number: int, waits: list[float]) -> None:
        try:
            call = self.client(number)
            call()  # connecting, filling caches
        except Exception as error:  # noqa: BLE001 - reported by the thread that waits
            self.errors.append(error)
            self.gate.wait()
            return
        self.gate.wait()
        try:
            self._repeat(call, waits)
        except Exception as error:  # noqa: BLE001
            self.errors.append(error)

    def _repeat(self, call: Callable[[], None], waits: list[float]) -> None:
        end = time.perf_counter() + self.seconds
        while (began := time.perf_counter()) < end:
            call()
            waits.append(time.perf_counter() - began)
