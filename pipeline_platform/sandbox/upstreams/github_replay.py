"""Recorded answers of GitHub, dealt out to repositories and languages that are watched for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.upstreams.github_wire import (
    PAGE_AT_MOST,
    TOKEN,
    Handler,
    RefusedError,
    answer,
    links,
    paging,
    repository_routes,
    search_route,
)

_SHOWN_AS = {
    "/repos/:o/:r": "counters",
    "/repos/:o/:r/commits": "commits",
    "/repos/:o/:r/commits/:sha": "commits",
    "/repos/:o/:r/pulls/:n/commits": "commits",
    "/search/commits": "commits",
    "/repos/:o/:r/pulls": "pulls",
    "/repos/:o/:r/pulls/:n": "pulls",
    "/repos/:o/:r/issues": "issues",
    "/repos/:o/:r/issues/:n": "issues",
    "/search/issues": "issues",
    "/search/repositories": "search",
    "/repos/:o/:r/stargazers": "stargazers",
    "/repos/:o/:r/releases": "releases",
    "/repos/:o/:r/releases/:n": "releases",
    "/repos/:o/:r/stats/contributors": "contributors",
    "/repos/:o/:r/events": "events",
    "/events": "events",
    "/orgs/:o/events": "events",
    "/networks/PyGithub/PyGithub/events": "events",
}
"""Recorded endpoint -> what it is served as. Items stand in lists, found or asked for one by one, as in the listing."""

_LISTS = {
    "commits": "/commits",
    "pulls": "/pulls",
    "issues": "/issues",
    "stargazers": "/stargazers",
    "releases": "/releases",
    "contributors": "/stats/contributors",
    "events": "/events",
}
"""What is served as a list -> end of its path."""

_NAMELESS = ("stargazers", "contributors")
"""Lists whose items do not name their repository, so that whoever reads one asks for the repository too."""

_TOLD_HEADERS = ("content-type", "etag", "last-modified", "retry-after")


def _told(request: Request, recording: Recording, kind: str) -> Response:
    """A recorded answer with the headers that matter; an ETag that comes back is answered by 304."""
    # Some recordings hold templates of the server they were made for in place of times.
    headers = {
        name: value
        for name, value in recording.headers.items()
        if (name in _TOLD_HEADERS or name.startswith("x-ratelimit")) and "{{" not in value
    }
    if recording.status == 200 and headers.get("etag", "") == request.headers.get("if-none-match"):
        return Response(status_code=304, headers=headers)
    body = recording.body
    if kind in _LISTS and recording.status == 200:
        recorded = orjson.loads(body)
        if isinstance(recorded, dict):
            body = orjson.dumps(recorded.get("items", [recorded]))
    return Response(body, status_code=recording.status, headers=headers)


@dataclass(frozen=True)
class _Tapes:
    """Recordings by what they are served as; each of `counters` and of `search` begins a target of its own.

    Attributes:
        shown: kind -> recordings.
        sound: numbers of the repositories that were recorded whole; a recorded redirect leads to the first of them.
    """

    shown: Mapping[str, list[Recording]]
    sound: list[int]

    @property
    def repositories(self) -> list[str]:
        return [f"recordings/{number}" for number in range(len(self.shown["counters"]))]

    @property
    def languages(self) -> list[str]:
        return [f"recordings-{number}" for number in range(len(self.shown["search"]))]

    def _number(self, request: Request) -> int:
        asked = request.path_params
        if f"{asked['owner']}/{asked['name']}" not in self.repositories:
            raise RefusedError(404, "Not Found")
        return int(asked["name"])

    def counters(self, request: Request) -> Response:
        """The answer that was recorded for a repository; a redirect leads to another one of them."""
        recording = self.shown["counters"][self._number(request)]
        response = _told(request, recording, "counters")
        if "location" in recording.headers and self.sound:
            path = request.url.path.rpartition("/")[0]
            response.headers["location"] = str(request.url.replace(path=f"{path}/{self.sound[0]}"))
        return response

    def listing(self, kind: str, request: Request) -> Response:
        """A page of a repository: one recording; the last one has an empty page behind it if it named a next one."""
        number = self._number(request)
        homes = self.sound if kind in _NAMELESS else range(len(self.repositories))
        pages = self.shown[kind][homes.index(number) :: len(homes)] if number in homes else []
        _, page = paging(request)
        if page > len(pages):
            return answer(request, [], {})
        recording = pages[page - 1]
        response = _told(request, recording, kind)
        more = page < len(pages) or 'rel="next"' in recording.headers.get("link", "")
        response.headers.update(links(request, page, more=more))
        return response

    def search(self, request: Request) -> Response:
        """The search that was recorded for a language, with an empty page behind it if it named a next one."""
        name = request.query_params.get("q", "").partition('language:"')[2].rstrip('"')
        if name not in self.languages:
            raise RefusedError(422, "Validation Failed")
        if paging(request)[1] > 1:
            return answer(request, {"total_count": 0, "incomplete_results": False, "items": []}, {})
        recording = self.shown["search"][self.languages.index(name)]
        response = _told(request, recording, "search")
        response.headers.update(links(request, 1, more='rel="next"' in recording.headers.get("link", "")))
        return response


def _other_form(recording: Recording, kind: str) -> str | None:
    """The media type of an answer that nobody would get who asks as we do."""
    content = recording.headers.get("content-type", "json")
    if recording.status != 200 or "json" not in content:
        return content if recording.status == 200 else None
    media = recording.headers.get("x-github-media-type", "param=star")
    return media if kind == "stargazers" and "param=star" not in media else None


def replay(recordings: list[Recording]) -> Replay:
    """Every recorded answer to a reader of repositories with their lists, and of the repository search.

    Each recorded repository is a watched one, and the recorded lists are dealt out to them, page by page.
    """
    shown: dict[str, list[Recording]] = {kind: [] for kind in ("counters", *_LISTS, "search")}
    unused: dict[str, str] = {}
    for recording in recordings:
        kind = _SHOWN_AS.get(recording.endpoint)
        if kind is None:
            unused[recording.file] = f"endpoint not in use: {recording.method} {recording.endpoint}"
        elif recording.method != "GET":
            unused[recording.file] = f"the answer to a request that writes: {recording.method} {recording.endpoint}"
        elif form := _other_form(recording, kind):
            unused[recording.file] = f"another form than the one in use: {form}"
        else:
            shown[kind].append(recording)
    for kind in _LISTS:
        # Nobody asks for the page after a refusal.
        shown[kind].sort(key=lambda recording: recording.status != 200)
    sound = [number for number, recording in enumerate(shown["counters"]) if _is_repository(recording)]
    tapes = _Tapes(shown, sound)
    handlers: dict[str, Handler] = {"": tapes.counters}
    handlers |= {end: partial(tapes.listing, kind) for kind, end in _LISTS.items()}
    settings = {
        "token": TOKEN,
        "repositories": tapes.repositories,
        "languages": tapes.languages,
        "trending_size": PAGE_AT_MOST,
    }
    routes = [
        *repository_routes("/repos/{owner}/{name}", handlers, _unlimited),
        search_route(tapes.search, _unlimited),
    ]
    return Replay(routes, settings, unused)


def _is_repository(recording: Recording) -> bool:
    return recording.status == 200 and b'"full_name"' in recording.body


def _unlimited(handler: Handler) -> Handler:
    # Recordings tell of the limits of those who made them.
    return handler
