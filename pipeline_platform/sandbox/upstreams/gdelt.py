"""GDELT as the sandbox shows it: the DOC 2.0 search over the articles of the world, and the files of every 15 minutes.

Wire format: https://blog.gdeltproject.org/gdelt-doc-2-0-api-debuts/ and https://www.gdeltproject.org/data.html. Errors
of the search are plain text with status 200. Every 15 minutes a few events are made up, and mentioned; annotations are
of the articles of the world. Some slots are missing, as they are at GDELT.
"""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import md5
from pathlib import PurePosixPath
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.gdelt_slots import Line, annotations, events, mentions
from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.world import Post, World
from pipeline_platform.sources.gdelt_files import EDITIONS, EXPORT, GKG, KINDS, MENTIONS, FileKind

MOST_RECORDS = 250
SLOT = timedelta(minutes=15)
DELAY = timedelta(minutes=5)
"""How long after its slot a file is published."""
MISSING_SHARE = 0.02
DEFECT_SHARE = 0.1
LANGUAGE_NAMES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "ja": "Japanese"}
THROTTLE = "Please limit requests to one every 5 seconds."

_TERM = re.compile(r'-?\w+:\S+|-?"[^"]*"|\([^)]*\)|-?[^\s()]+')
_MARKS = re.compile(r"(?<=\S)([,;:!?.]+)(?=\s|$)")
_FILE_NAME = re.compile(r"(\d{14})(\.translation)?\.(.+)")


class QueryError(Exception):
    """What GDELT says of a search that it refuses."""


def on_grid(moment: datetime) -> datetime:
    """When GDELT saw what was published then. The real one sees it later; here an article keeps the day it is from."""
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def matches(query: str, post: Post) -> bool:
    """Whether every term of `query` fits the post: operators, "phrases", (a OR b), -excluded and plain words."""
    return all(_fits(term, post) for term in _TERM.findall(query))


def _fits(term: str, post: Post) -> bool:
    if term.startswith("-"):
        return not _fits(term[1:], post)
    if term.startswith("("):
        return any(matches(part, post) for part in term[1:-1].split(" OR "))
    operator, _, value = term.partition(":")
    domain = f"{post.channel}.example"
    match operator:
        case "domain":
            return domain == value or domain.endswith(f".{value}")
        case "domainis":
            return domain == value
        case "sourcelang":
            return LANGUAGE_NAMES[post.language].lower() == value.lower()
    return term.strip('"').lower() in f"{post.title} {post.text} {post.channel}".lower()


def _check(query: str, most: str) -> None:
    if not most.isdecimal() or int(most) > MOST_RECORDS:
        raise QueryError("A maximum of 250 records can be returned.")
    if len(query) < 3:
        raise QueryError("Your query was too short or too long.")
    if " OR " in re.sub(r"\([^)]*\)", "", query):
        raise QueryError("Queries containing OR'd terms must be surrounded by ().")
    if any(len(term.strip('-"')) < 3 for term in _TERM.findall(query)):
        raise QueryError("The specified phrase is too short.")


def _range(request: Request, now: datetime) -> tuple[datetime, datetime]:
    """First and last second of the range that is searched."""
    found = []
    for name, default in (("startdatetime", now - timedelta(days=90)), ("enddatetime", now)):
        text = request.query_params.get(name)
        try:
            found.append(datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC) if text else default)
        except ValueError:
            raise QueryError("Invalid/Unsupported date.") from None
    start, end = found
    if end - start < timedelta(minutes=59):
        raise QueryError("Timespan is too short.")
    return start, end


def _newest_first(world: World, start: datetime, end: datetime) -> Iterator[Post]:
    day = min(end, world.now()).date()
    while day >= start.date():
        for post in reversed(world.posts("gdelt", day)):
            if start <= on_grid(post.shown_at) <= end:
                yield post
        day -= timedelta(days=1)


def article_of(world: World, post: Post) -> str:
    """A post as the JSON of an article, with the defects that GDELT's has."""
    pictured = world.rng("gdelt-image", post.key).random() < 0.6
    fields: dict[str, Any] = {
        "url": post.url,
        "url_mobile": "",
        "title": 404 if post.flaw == "malformed" else _MARKS.sub(r" \1", post.title or ""),
        "seendate": f"{on_grid(post.created_at):%Y%m%dT%H%M%SZ}",
        "socialimage": f"https://{post.channel}.example/images/{post.key}.jpg" if pictured else "",
        "domain": f"{post.channel}.example",
        "language": LANGUAGE_NAMES[post.language],
        "sourcecountry": "United States",
    }
    written = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    if world.rng("gdelt-defect", post.key).random() < DEFECT_SHARE:
        # A tab as it is, and a backslash that escapes nothing.
        written = written.replace('"url_mobile":""', r'"url_mobile":"https:\m"')
        written = re.sub(r'("title":"[^" ]*) ', "\\1\t", written)
    return written


def routes(world: World) -> list[Route]:
    """`/doc/doc` and `/gdeltv2/<file>`."""
    archives = Archives(world)

    def search(request: Request) -> Response:
        query = request.query_params.get("query", "").strip()
        most = request.query_params.get("maxrecords", "75")
        try:
            _check(query, most)
            start, end = _range(request, world.now())
        except QueryError as error:
            return PlainTextResponse(str(error))
        found = [post for post in _newest_first(world, start, end) if matches(query, post)]
        listed = ",".join(article_of(world, post) for post in found[: int(most)])
        return Response(f'{{"articles":[{listed}]}}' if found else "{}", media_type="application/json")

    def file(request: Request) -> Response:
        body = archives.read(request.path_params["name"])
        if body is None:
            return Response("<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", 404)
        return _cacheable(request, body)

    return [Route("/doc/doc", search), Route("/gdeltv2/{name}", file)]


def _cacheable(request: Request, body: bytes) -> Response:
    headers = {"ETag": f'"{_md5(body)}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/octet-stream", headers=headers)


def _md5(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class _Archive:
    body: bytes
    broken: list[tuple[str, str]]
    day: date


class Archives:
    """The files of the world and the list of the newest ones.

    Args:
        world: what they tell of.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._made = lru_cache(maxsize=512)(self._make)

    def read(self, name: str) -> bytes | None:
        """A file by name; None where there is none, or not yet."""
        for edition, infix in EDITIONS.items():
            if name == f"lastupdate{infix.replace('.', '-')}.txt":
                return self._list(edition).encode()
        found = _FILE_NAME.fullmatch(name)
        kind = next((kind for kind in KINDS if found and found[3] == kind.ending), None)
        if not found or kind is None:
            return None
        try:
            slot = datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            return None
        edition = "translingual" if found[2] else "english"
        if not self._exists(edition, slot):
            return None
        archive = self._made(kind, edition, slot)
        for record_id, rule in archive.broken:
            self.world.plant("gdelt", record_id, rule, archive.day)
        return archive.body

    def _exists(self, edition: str, slot: datetime) -> bool:
        past = self.world.days[0] <= slot.date() and slot + DELAY <= self.world.now()
        return (
            slot == on_grid(slot) and past and self.world.rng("gdelt-missing", edition, slot).random() >= MISSING_SHARE
        )

    def _list(self, edition: str) -> str:
        slot = on_grid(self.world.now())
        while not self._exists(edition, slot):
            slot -= SLOT
        lines = []
        for kind in KINDS:
            body = self._made(kind, edition, slot).body
            address = f"http://data.gdeltproject.org/gdeltv2/{kind.name(slot, edition)}"
            lines.append(f"{len(body)} {_md5(body)} {address}\n")
        return "".join(lines)

    def _make(self, kind: FileKind, edition: str, slot: datetime) -> _Archive:
        make = {EXPORT.ending: events, MENTIONS.ending: mentions, GKG.ending: annotations}[kind.ending]
        name = kind.name(slot, edition)
        lines: list[Line] = list(make(self.world, edition, slot))
        written, broken = [], []
        for number, line in enumerate(lines, start=1):
            cells = [line.cells.get(column, "") for column in kind.columns]
            record_id = line.record_id
            if line.rule == "malformed":
                cells, record_id = cells[:-1], f"gdelt:broken:{name}:{number}"
            if line.rule:
                broken.append((record_id, line.rule))
            written.append("\t".join(cells) + "\n")
        return _Archive(zipped(name, "".join(written).encode(), slot), broken, slot.date())


def zipped(name: str, content: bytes, moment: datetime) -> bytes:
    """A zip with one member, the same bytes whenever it is made."""
    target = io.BytesIO()
    member = zipfile.ZipInfo(name.removesuffix(".zip"), moment.timetuple()[:6])
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(member, content)
    return target.getvalue()


def watch(world: World, _base: str) -> dict[str, Any]:
    """Settings that make the source watch every publisher of the world, and both editions of the files."""
    return {
        "queries": [f"domainis:{channel}.example" for channel in world.channels["gdelt"]],
        "editions": list(EDITIONS),
        "files_url": "gdeltv2",
    }


def error_body() -> str:
    """An error that comes with status 200."""
    return THROTTLE


def _kind_of(recording: Recording) -> FileKind | None:
    """The kind of the 15-minute file that was recorded, unzipped; None for what is none."""
    endpoint = recording.endpoint
    if "export (61" in endpoint or ".export.CSV.zip" in endpoint:
        return EXPORT
    if "v2 mentions as CSV" in endpoint or ".mentions.CSV.zip" in endpoint:
        return MENTIONS
    return GKG if "GKG (27 cols)" in endpoint else None


def _as_lines(recording: Recording) -> bytes:
    """The recorded lines; those that were kept with a header and commas as they were before."""
    if "CSV with header" not in recording.endpoint:
        return recording.body
    rows = list(csv.reader(io.StringIO(recording.body.decode())))[1:]
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def replay(recordings: list[Recording]) -> Replay:
    """Every recorded search as the answer to a query of its own, and every recorded 15-minute file, zipped again."""
    searches: dict[str, Recording] = {}
    files: dict[str, bytes] = {}
    unused: dict[str, str] = {}
    for recording in recordings:
        stem = PurePosixPath(recording.file).stem
        kind = _kind_of(recording)
        if "/doc/doc" in recording.endpoint:
            searches[f"recording {stem}"] = recording
        elif kind:
            name = f"{stem}.{kind.ending}"
            files[name] = zipped(name, _as_lines(recording), datetime(2020, 1, 1, tzinfo=UTC))
        else:
            unused[recording.file] = f"endpoint not in use: {recording.endpoint}"

    def search(request: Request) -> Response:
        recording = searches.get(request.query_params.get("query", ""))
        if recording is None:
            return Response("{}", media_type="application/json")
        headers = {"content-type": "application/json", **recording.headers}
        return Response(recording.body, recording.status, headers)

    def file(request: Request) -> Response:
        body = files.get(request.path_params["name"])
        return Response("", 404) if body is None else _cacheable(request, body)

    settings = {"queries": list(searches), "editions": [], "files": list(files), "files_url": "gdeltv2"}
    return Replay([Route("/doc/doc", search), Route("/gdeltv2/{name}", file)], settings, unused)
