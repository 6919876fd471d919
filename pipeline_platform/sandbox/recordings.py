"""Recorded responses of real upstreams, read from a folder, for the sandbox to serve instead of its own content.

The folder holds `INDEX.json` (a row per file: file, source, endpoint, status, special, kind, records) and
`<source>/<file>`. A `cassette` or `quoted` file is `{"request", "status", "headers", "body"}`, a `raw` one is the body.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.routing import Route

FOLDERS = {"openweather": "openweathermap", "alpha_vantage": "alphavantage"}
"""Folder of a source where it is not the name of the source."""

TRANSPORT_HEADERS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "keep-alive",
        "set-cookie",
        "transfer-encoding",
        "upgrade",
        "vary",
    }
)
"""Headers of the recorded connection: untrue of ours, whose body is neither compressed nor chunked the same way."""


class RecordingsError(Exception):
    """The folder of recordings cannot be used; the message says what is missing."""


@dataclass(frozen=True)
class Recording:
    """One recorded response.

    Attributes:
        file: path inside the folder, `reddit/094-subreddit-listing-r-r-comments.json`.
        endpoint, special: what was asked and what is odd about the answer, in the words of the index.
        kind: `cassette` (request and response), `raw` (body alone) or `quoted` (copied from documentation).
        status: HTTP status; 200 for raw bodies of unknown status.
        url: recorded request URL, "" where only the body is known.
        headers: response headers in lower case, without those of the transport.
        body: response body, decoded.
        records: how many items the index counts in the body.
        method: recorded HTTP method.
    """

    file: str
    endpoint: str
    special: str
    kind: str
    status: int
    url: str
    headers: dict[str, str]
    body: bytes
    records: int = 0
    method: str = "GET"


@dataclass(frozen=True)
class Replay:
    """How an upstream shows recordings: routes that serve them, settings that ask for each, and what is left out.

    Attributes:
        routes: paths relative to the mount of the source.
        watch: settings of the source (field name to JSON value) that make it ask for every served file.
        unused: file to the reason why it is not served.
    """

    routes: list[Route]
    watch: dict[str, Any]
    unused: dict[str, str] = field(default_factory=dict)


def load(folder: Path, source: str) -> list[Recording]:
    """Every recording of `source` in `folder`, in the order of the index.

    Raises:
        RecordingsError: there is no index, or a file it lists is missing or unreadable.
    """
    index = folder / "INDEX.json"
    if not index.is_file():
        raise RecordingsError(f"{folder} holds no INDEX.json; give the folder that has it with --recordings")
    wanted = FOLDERS.get(source, source)
    try:
        rows = json.loads(index.read_bytes())
        return [_read(folder, row) for row in rows if row["source"] == wanted]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise RecordingsError(f"cannot read the recordings of {source} in {folder}: {reason}") from error


def _read(folder: Path, row: Mapping[str, Any]) -> Recording:
    content = (folder / row["file"]).read_bytes()
    common: dict[str, Any] = {
        "file": row["file"],
        "endpoint": row["endpoint"] or "",
        "special": row["special"] or "",
        "kind": row["kind"],
        "records": row["records"] or 0,
    }
    if row["kind"] == "raw":
        return Recording(status=row["status"] or 200, url="", headers={}, body=content, **common)
    taped = json.loads(content)
    request = taped["request"] or {}
    return Recording(
        status=taped["status"],
        url=request.get("url") or "",
        method=request.get("method") or "GET",
        headers=_headers(taped["headers"] or {}),
        body=_body(taped["body"]),
        **common,
    )


def _headers(taped: Mapping[str, Any]) -> dict[str, str]:
    joined = {
        name.lower(): ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in taped.items()
    }
    return {name: value for name, value in joined.items() if name not in TRANSPORT_HEADERS}


def _body(taped: Any) -> bytes:
    if taped is None:
        return b""
    if isinstance(taped, str):
        return taped.encode()
    return json.dumps(taped, ensure_ascii=False, separators=(",", ":")).encode()
