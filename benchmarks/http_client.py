"""What the request policy costs: one request through the client of the sources, and through bare httpx, on loopback.

Between the two lie the token bucket, the daily quota and the circuit breaker in Redis, redaction and the deadline.
"""

import httpx
import redis

from benchmarks.measure import BenchmarkError, Figure, apart, race, speed
from pipeline_platform.launch.sandbox_process import SandboxOptions, running_sandbox
from pipeline_platform.settings import load_settings
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.registry import source_named
from pipeline_platform.storage.servers import running_servers

SCALE = 500
UNLIMITED = 6_000_000
"""Requests a minute that the token bucket never holds up, though it is asked every time."""


def run(scale: int, rounds: int) -> list[Figure]:
    """Ask the sandbox for the same small answer `scale` times."""
    source = source_named("coingecko")
    with apart() as folder, running_sandbox(SandboxOptions()) as url:
        with running_servers(load_settings()) as servers, httpx.Client(trust_env=False) as bare:
            values = source.settings(base_url=url, requests_per_minute=UNLIMITED)
            with SourceClient(source, values, redis=redis.Redis.from_url(servers.redis), cache_path=folder) as client:

                def through_client() -> None:
                    for _ in range(scale):
                        if client.get("/health").json()["status"] != "ok":
                            raise BenchmarkError("the sandbox is not well")

                def through_httpx() -> None:
                    for _ in range(scale):
                        if bare.get(f"{url}/health").raise_for_status().json()["status"] != "ok":
                            raise BenchmarkError("the sandbox is not well")

                through_client()
                ours, theirs = "client of the sources", "bare httpx"
                seconds = race({ours: through_client, theirs: through_httpx}, rounds)
    extra = sorted(mine - other for mine, other in zip(seconds[ours], seconds[theirs], strict=True))
    each = {name: sorted(times)[len(times) // 2] / scale * 1000 for name, times in seconds.items()}
    return [
        Figure("one request", each[ours], "ms", theirs, each[theirs], speed(seconds[ours], seconds[theirs])),
        Figure("policy added to a request", extra[len(extra) // 2] / scale * 1000, "ms"),
    ]
