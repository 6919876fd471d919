"""The doctor: looks at everything a run needs and says what to do about what is wrong."""

import difflib
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from dotenv import dotenv_values

from pipeline_platform.launch.environment import platform_environment
from pipeline_platform.operate.queues import QUEUES
from pipeline_platform.operate.workers import Workers, served
from pipeline_platform.settings import (
    PREFIX,
    Settings,
    SettingsError,
    known_variables,
    missing_credentials,
    source_settings,
)
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.files import free_bytes, standing
from pipeline_platform.storage.lake import LakeError
from pipeline_platform.storage.stores import Stores

LOW_DISK_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """`mark` is ok, warning or error."""

    mark: str
    what: str
    finding: str


def examine(settings: Settings) -> list[Finding]:
    """Every finding, in the order a run would meet them."""
    return [
        *_python(),
        *_disk(settings),
        *_ports(),
        *unknown_variables(),
        *_sources(settings),
        *_servers(settings),
    ]


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", "Python", version)


def _disk(settings: Settings) -> Iterator[Finding]:
    place, free = standing(settings.home), free_bytes(settings.home)
    if not place.is_dir() or not os.access(place, os.W_OK):
        yield Finding("error", "PIPELINE_HOME", f"{place} is no folder that can be written: choose another one")
    elif free < LOW_DISK_BYTES:
        yield Finding("warning", "disk", f"{free / 1024**3:.1f} GiB free at {place}: make room or move PIPELINE_HOME")
    else:
        yield Finding("ok", "disk", f"{free / 1024**3:.0f} GiB free at {place}")


def _ports() -> Iterator[Finding]:
    try:
        with socket.create_server(("127.0.0.1", 0)):
            yield Finding("ok", "ports", "this machine can be listened on at 127.0.0.1")
    except OSError as error:
        yield Finding("error", "ports", f"nothing can listen on 127.0.0.1 ({error.strerror}): look at the firewall")


def unknown_variables() -> Iterator[Finding]:
    """Variables in the environment and in `.env` that look like settings and are none."""
    known = known_variables(SOURCES)
    for name in sorted({*os.environ, *dotenv_values(".env")}):
        if not name.upper().startswith(PREFIX) or name.upper() in known:
            continue
        close = difflib.get_close_matches(name.upper(), known, n=1)
        hint = f"did you mean {close[0]}?" if close else "see .env.example for all of them"
        yield Finding("error", name, f"no such setting; {hint}")


def _sources(settings: Settings) -> Iterator[Finding]:
    for source in SOURCES:
        try:
            enabled = source_settings(source).enabled
        except SettingsError as error:
            yield Finding("error", source.title, str(error))
            continue
        missing = missing_credentials(source)
        if not enabled:
            yield Finding("ok", source.title, "switched off")
        elif settings.mode == "live" and missing:
            how = "; ".join(credential.how for credential in source.credentials if credential.required)
            yield Finding("warning", source.title, f"will be skipped: set {', '.join(missing)}. {how}")
        else:
            yield Finding("ok", source.title, "demo data" if settings.mode == "demo" else "ready")


def _workers(stores: Stores) -> Iterator[Finding]:
    if stores.settings.executor != "celery":
        return
    alive = Workers(stores.redis).alive()
    for queue in sorted(set(QUEUES) - served(alive)):
        yield Finding("warning", "workers", f"none serves {queue}: `pipeline-platform worker --queue {queue}`")
    if alive:
        yield Finding("ok", "workers", f"{len(alive)}, {sum(one.concurrency for one in alive)} steps at once")


def _servers(settings: Settings) -> Iterator[Finding]:
    try:
        with platform_environment(settings) as ready:
            stores = Stores(ready)
            stores.redis.ping()
            open_letters = len(stores.warehouse.dead_letters())
            where = "embedded" if settings.postgres_url is None else "named"
            yield Finding("ok", "PostgreSQL", f"{where}, answers; {open_letters} open dead letters")
            yield Finding("ok", "Redis", f"{'embedded' if settings.redis_url is None else 'named'}, answers")
            yield Finding("ok", "lake", stores.lake.location)
            yield from _workers(stores)
            if settings.mode == "demo":
                yield Finding("ok", "sandbox", "starts and answers")
    except (SettingsError, LakeError) as error:
        yield Finding("error", "servers", str(error))
