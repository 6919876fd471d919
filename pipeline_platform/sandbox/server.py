"""The sandbox on a port: every upstream under its name, what to watch there, what was planted, and the faults.

- `/<source>/…`: the upstream. A source without a module in `upstreams` has `/<source>/sample/<stream>`.
- `/watch`: settings per source that make it watch what is here, and `days`, the first and last day held.
- `/truth?from=DAY&to=DAY`: what was planted. `/unused`: recordings that are not served, and why. `/health`.
- `/requests`: per source the moments at which requests came, in epoch seconds, to hold against its budget.

Every answer carries the header `X-Pipeline-Sandbox: 1`.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import FrameType, ModuleType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline_platform.sandbox import upstreams
from pipeline_platform.sandbox.faults import FaultInjector, FaultPlan
from pipeline_platform.sandbox.recordings import Replay, load
from pipeline_platform.sandbox.truth import truth
from pipeline_platform.sandbox.world import World
from pipeline_platform.sources.base import Source
from pipeline_platform.sources.registry import SOURCES

MARK = ("X-Pipeline-Sandbox", "1")
REQUESTS_PER_MINUTE = 60_000
"""Budget that a source gets here: nobody has to be spared."""

REMEMBERED_REQUESTS = 1_000_000

Watch = Callable[[str], dict[str, Any]]
"""Base URL of a source in the sandbox -> its settings."""


class SandboxError(Exception):
    """The sandbox cannot start; the message says what to do."""


class _Marked:
    """ASGI middleware that marks every answer as coming from the sandbox."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[MARK[0]] = MARK[1]
            await send(message)

        await self.app(scope, receive, marked)


class _Counted:
    """ASGI middleware that notes when each source was asked."""

    def __init__(self, app: ASGIApp, moments: dict[str, deque[float]]) -> None:
        self.app = app
        self.moments = moments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        source = scope["path"].split("/")[1] if scope["type"] == "http" else ""
        if source in self.moments:
            self.moments[source].append(time.time())
        await self.app(scope, receive, send)


def build_app(
    world: World,
    *,
    recordings: Path | None = None,
    faults: FaultPlan | None = None,
    sources: Sequence[Source] = SOURCES,
) -> Starlette:
    """The sandbox as an ASGI application.

    Args:
        world: what the upstreams show.
        recordings: folder of recorded responses to serve in place of the world.
        faults: what goes wrong.
        sources: sources to serve.

    Raises:
        FaultSpecError: a fault is for an upstream that is not here.
        RecordingsError: the recordings cannot be read.
    """
    faults = faults or FaultPlan()
    faults.check_scopes([source.name for source in sources])
    modules = _upstream_modules()
    mounts: list[Mount] = []
    watches: dict[str, Watch] = {}
    unused: dict[str, str] = {}
    for source in sources:
        module = modules.get(source.name)
        if module is None:
            routes, watches[source.name] = _sample_routes(source), partial(_sample_watch, source)
        elif recordings is None:
            routes, watches[source.name] = module.routes(world), partial(module.watch, world)
        else:
            replay: Replay = module.replay(load(recordings, source.name))
            routes, watches[source.name] = replay.routes, partial(_recorded_watch, replay)
            unused |= replay.unused
        mounts.append(Mount(f"/{source.name}", routes=routes))
    days = None if recordings else world.days
    moments = {source.name: deque[float](maxlen=REMEMBERED_REQUESTS) for source in sources}
    own = [
        Route("/health", lambda _: JSONResponse({"status": "ok", "mode": "recordings" if recordings else "synthetic"})),
        Route("/watch", lambda request: JSONResponse(_watch(watches, days, str(request.base_url).rstrip("/")))),
        Route("/unused", lambda _: JSONResponse(unused)),
        Route("/requests", lambda _: JSONResponse({name: list(asked) for name, asked in moments.items()})),
        Route("/truth", partial(_truth, None if recordings else world)),
    ]
    error_bodies = {name: module.error_body for name, module in modules.items() if hasattr(module, "error_body")}
    return Starlette(
        routes=[*own, *mounts],
        middleware=[
            Middleware(_Marked),
            Middleware(_Counted, moments=moments),
            Middleware(FaultInjector, plan=faults, rng=world.rng("faults"), error_bodies=error_bodies),
        ],
        exception_handlers={Exception: _broken},
    )


def _upstream_modules() -> dict[str, ModuleType]:
    return {
        found.name: import_module(f"{upstreams.__name__}.{found.name}") for found in iter_modules(upstreams.__path__)
    }


def _watch(watches: dict[str, Watch], days: tuple[date, date] | None, root: str) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for name, watch in watches.items():
        base = f"{root}/{name}"
        answer[name] = {**watch(base), "base_url": base, "requests_per_minute": REQUESTS_PER_MINUTE}
    answer["days"] = days and [day.isoformat() for day in days]
    return answer


def _recorded_watch(replay: Replay, _base: str) -> dict[str, Any]:
    return replay.watch


def _sample_watch(source: Source, _base: str) -> dict[str, Any]:
    return {credential.setting: "sandbox" for credential in source.credentials}


def _sample_routes(source: Source) -> list[Route]:
    samples = {stream.name: list(stream.sample.payloads) for stream in source.streams}

    def sample(request: Request) -> Response:
        stream = request.path_params["stream"]
        if stream not in samples:
            return JSONResponse({"error": f"{source.name} has no stream {stream!r}, but {', '.join(samples)}"}, 404)
        return JSONResponse(samples[stream])

    return [Route("/sample/{stream}", sample)]


def _truth(world: World | None, request: Request) -> Response:
    if world is None:
        return JSONResponse({"error": "recordings are served here, and nothing is planted in them"}, 404)
    try:
        today = world.now().date()
        first = date.fromisoformat(request.query_params.get("from", today.isoformat()))
        last = date.fromisoformat(request.query_params.get("to", today.isoformat()))
    except ValueError as error:
        return JSONResponse({"error": f"{error}; ask for /truth?from=YYYY-MM-DD&to=YYYY-MM-DD"}, 400)
    if last < first:
        return JSONResponse({"error": f"the range ends on {last}, before it begins on {first}"}, 400)
    return JSONResponse(truth(world, first, last))


def _broken(_request: Request, error: Exception) -> Response:
    # Runs outside of the middleware, so it marks the answer itself.
    text = {"error": f"the sandbox itself failed: {error!r}"}
    return JSONResponse(text, 500, dict([MARK]))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise SandboxError(f"cannot listen on {host}:{port}: {error.strerror}; use --port 0 for a free one") from error
    return listener


def _server(app: ASGIApp) -> uvicorn.Server:
    # A held connection (fault `timeout`) must not keep the server from stopping.
    return uvicorn.Server(
        uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    )


def _address(listener: socket.socket, host: str) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def serve(
    world: World,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    recordings: Path | None = None,
    faults: FaultPlan | None = None,
    ready: Callable[[str], None],
    until_stdin_closes: bool = False,
) -> None:
    """Serve the sandbox until SIGTERM or SIGINT, then return.

    Args:
        world: what the upstreams show.
        host: address to listen on; loopback unless given.
        port: 0 takes a free one.
        recordings: folder of recorded responses to serve in place of the world.
        faults: what goes wrong.
        ready: told the base URL as soon as connections are accepted.
        until_stdin_closes: also stop when standard input ends, as it does when the starting process dies.

    Raises:
        SandboxError: the port is taken or not allowed.
        FaultSpecError: a fault is for an upstream that is not here.
        RecordingsError: the recordings cannot be read.
    """
    server = _server(build_app(world, recordings=recordings, faults=faults))
    listener = _listen(host, port)

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    def stop_at_end_of_input() -> None:
        # Not through `sys.stdin`, whose lock a blocked thread would still hold when the interpreter ends.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        server.should_exit = True

    # uvicorn has handlers of its own while it runs, and raises the signal again once it has stopped. With this one in
    # their place no signal is lost before, and the stop ends as a return.
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if until_stdin_closes:
            threading.Thread(target=stop_at_end_of_input, name="end-of-input", daemon=True).start()
        ready(_address(listener, host))
        server.run(sockets=[listener])
    finally:
        listener.close()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def running(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve `app` in a thread of this process while the context is open; gives the base URL.

    Raises:
        SandboxError: the port is taken or not allowed.
    """
    listener = _listen(host, port)
    server = _server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
    thread.start()
    try:
        yield _address(listener, host)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
