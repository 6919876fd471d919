"""Faults on purpose: what can go wrong between an upstream and us, injected between the sandbox and the socket.

A specification is a list of `SCOPE:FAULT[=VALUE][@PROBABILITY][xCOUNT]`, separated by commas or white space.

- `SCOPE` is a source (`reddit`), a path of one (`github/repos/harbourlabs/tidepool`) or `*` for every source. A grant
  of a token is only hit by a scope with its path (`reddit/api/v1/access_token`), so that `401` is an expired token.
- `FAULT` is a status from 400 to 599 or a name of `FAULTS`.
- `=VALUE`: for 429 and 503 seconds of `Retry-After`; `slow` seconds before each of ten pieces of the body; `huge` size
  in MB.
- `@PROBABILITY`: the share of requests that is hit, by the seed of the world.
- `xCOUNT`: hit so many requests, then no more: `500x3` breaks the first three.

Of several entries the first that applies to a request wins: `github:500x2,github:429=1x1` is two times 500, then a 429.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FAULTS: dict[str, str] = {
    "timeout": "hold the connection and never answer",
    "truncate": "the first half of the body",
    "malformed": "an HTML page with status 200",
    "empty": "status 200 without a body",
    "wrongtypes": "numbers where texts belong and the other way round",
    "error200": "an error with status 200, in the upstream's own words",
    "slow": "the body in ten pieces, so many seconds apart",
    "endless": "a pagination without an end, where the upstream knows pages",
    "huge": "a body of 50 MB",
}
"""Faults by name; statuses from 400 to 599 are faults as well."""

TAKES_VALUE = {"429": float, "503": float, "slow": float, "huge": int}
DEFAULT_VALUE: dict[str, float] = {"slow": 0.5, "huge": 50}
CONDITIONS = ("if-none-match", "if-modified-since")
TOKEN_PATHS = ("access_token", "oauth2/token")

_ENTRY = re.compile(r"(?P<scope>[^:\s]+):(?P<fault>[a-z]+?\d*|\d{3})(?P<rest>(?:=[\d.]+|@[\d.]+|x\d+)*)")
_OPTION = re.compile(r"([=@x])([\d.]+)")

ErrorBodies = Mapping[str, Callable[[], Any]]
"""Source -> body of an error that it sends with status 200."""


class FaultSpecError(ValueError):
    """The specification of faults cannot be read; the message shows the entry and the form."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the specification; `count` and `value` are None where not given."""

    scope: str
    name: str
    value: float | None
    probability: float
    count: int | None

    def covers(self, path: str) -> bool:
        """Whether `path` (without its leading slash) lies in the scope; pages of the sandbox itself never do."""
        source, _, rest = path.partition("/")
        if not rest:
            return False
        if self.scope in ("*", source):
            return not rest.endswith(TOKEN_PATHS)
        return path == self.scope or path.startswith(self.scope + "/")


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The faults of a sandbox, in order."""

    faults: tuple[Fault, ...] = ()

    @classmethod
    def parse(cls, spec: str) -> "FaultPlan":
        """Read a specification; see the module for its form.

        Raises:
            FaultSpecError: an entry cannot be read.
        """
        return cls(tuple(_fault(entry) for entry in re.split(r"[,\s]+", spec.strip()) if entry))

    def check_scopes(self, sources: list[str]) -> None:
        """Raise FaultSpecError where an entry is for a source that the sandbox does not have."""
        for fault in self.faults:
            source = fault.scope.partition("/")[0]
            if source != "*" and source not in sources:
                raise FaultSpecError(f"no upstream is called {source!r}; there are {', '.join(sources)}, and * for all")


def _fault(entry: str) -> Fault:
    match = _ENTRY.fullmatch(entry)
    if not match:
        raise FaultSpecError(f"cannot read the fault {entry!r}; write SCOPE:FAULT[=VALUE][@PROBABILITY][xCOUNT]")
    name = match["fault"]
    if name not in FAULTS and not (name.isdigit() and 400 <= int(name) <= 599):
        known = ", ".join(FAULTS)
        raise FaultSpecError(
            f"no fault is called {name!r} in {entry!r}; use a status from 400 to 599 or one of {known}"
        )
    options: dict[str, str] = {}
    for sign, number in _OPTION.findall(match["rest"]):
        if sign in options:
            raise FaultSpecError(f"{sign!r} stands twice in {entry!r}")
        options[sign] = number
    if "=" in options and name not in TAKES_VALUE:
        raise FaultSpecError(f"{name!r} takes no value in {entry!r}; {', '.join(TAKES_VALUE)} do")
    try:
        value = TAKES_VALUE[name](options["="]) if "=" in options else DEFAULT_VALUE.get(name)
        probability = float(options.get("@", 1))
    except ValueError:
        raise FaultSpecError(f"a value in {entry!r} is no number") from None
    if not 0 < probability <= 1:
        raise FaultSpecError(f"the probability in {entry!r} must lie in (0, 1]")
    return Fault(match["scope"], name, value, probability, int(options["x"]) if "x" in options else None)


class FaultInjector:
    """ASGI middleware that breaks answers as a plan says.

    Args:
        app: what answers.
        plan: the faults; how often each has struck is counted here.
        rng: decides entries with a probability.
        error_bodies: what a source says in an error with status 200.
    """

    def __init__(self, app: ASGIApp, plan: FaultPlan, rng: random.Random, error_bodies: ErrorBodies) -> None:
        self.app, self.plan, self.rng, self.error_bodies = app, plan, rng, error_bodies
        self._struck = [0] * len(plan.faults)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, broken or whole."""
        fault = self._choose(scope["path"].lstrip("/")) if scope["type"] == "http" else None
        if fault is None:
            await self.app(scope, receive, send)
        elif fault.name == "timeout":
            await _hold(receive)
        elif fault.name == "endless":
            await self.app({**scope, "state": {**scope.get("state", {}), "endless": True}}, receive, send)
        elif fault.name in ("truncate", "wrongtypes", "slow", "huge"):
            await self._distort(fault, scope, receive, send)
        else:
            source = scope["path"].lstrip("/").partition("/")[0]
            await self._answer(fault, source)(scope, receive, send)

    def _choose(self, path: str) -> Fault | None:
        for index, fault in enumerate(self.plan.faults):
            used_up = fault.count is not None and self._struck[index] >= fault.count
            if used_up or not fault.covers(path) or self.rng.random() >= fault.probability:
                continue
            self._struck[index] += 1
            return fault
        return None

    def _answer(self, fault: Fault, source: str) -> Response:
        if fault.name == "malformed":
            return HTMLResponse("<!DOCTYPE html><html><body><h1>Checking your browser</h1></body></html>")
        if fault.name == "empty":
            return Response(b"", 200, media_type="application/json")
        if fault.name == "error200":
            body = self.error_bodies.get(source, lambda: {"error": "the upstream could not answer"})
            return JSONResponse(body())
        status = int(fault.name)
        headers = {} if fault.value is None else {"Retry-After": f"{fault.value:g}"}
        if status == 401:
            headers["WWW-Authenticate"] = f'Bearer realm="{source}", error="invalid_token"'
        return JSONResponse({"message": f"injected status {status}", "error": status}, status, headers)

    async def _distort(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        # Without its conditions: a "not modified" has no body that could be broken.
        headers = [(name, value) for name, value in scope["headers"] if name.decode().lower() not in CONDITIONS]
        start, body = await _answer_of(self.app, {**scope, "headers": headers}, receive)
        kept = MutableHeaders(raw=list(start["headers"]))
        del kept["content-length"]
        response: Response
        if fault.name == "truncate":
            response = Response(body[: len(body) // 2], start["status"])
        elif fault.name == "wrongtypes":
            # Another body has another ETag; what is damaged on its way keeps the one of the whole.
            del kept["etag"], kept["last-modified"]
            response = Response(_wrong_types(body), start["status"])
        elif fault.name == "slow":
            response = StreamingResponse(_slowly(body, fault.value or 0), start["status"])
        else:
            response = StreamingResponse(_padded(body, int(fault.value or 0)), start["status"])
        response.raw_headers = [*kept.raw, *(item for item in response.raw_headers if item[0] == b"content-length")]
        await response(scope, receive, send)


async def _hold(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """The whole answer of `app`: its start message and its body."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


def _wrong_types(body: bytes) -> bytes:
    """A JSON body with every leaf of another type; of any other body a JSON object without its fields."""
    try:
        return orjson.dumps(_swapped(orjson.loads(body)))
    except orjson.JSONDecodeError:
        return b'{"0": [0]}'


def _swapped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _swapped(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_swapped(item) for item in value]
    return len(value) if isinstance(value, str) else ["not", "a", "value"] if value is None else "not a number"


async def _slowly(body: bytes, pause: float) -> AsyncIterator[bytes]:
    size = max(1, -(-len(body) // 10))
    for start in range(0, len(body), size):
        await asyncio.sleep(pause)
        yield body[start : start + size]


async def _padded(body: bytes, megabytes: int) -> AsyncIterator[bytes]:
    """`body` behind so much white space; JSON stays valid and only its size is the fault."""
    for _ in range(megabytes):
        yield b" " * 1_000_000
    yield body
