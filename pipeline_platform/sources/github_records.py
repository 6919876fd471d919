"""What the items of the GitHub REST API mean: their identity and their place in the canonical kinds.

Pure functions of one item each, with the samples that show their form. Wire format: version 2022-11-28 of
https://docs.github.com/en/rest.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser

from pipeline_platform.sources import values

_MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})
_BLANK_LINES = re.compile(r"\n\s*\n\s*")
_TRAILER_OF_A_PERSON = re.compile(r"^[ \t]*[A-Za-z][A-Za-z-]*:[ \t].*<[^<>\s]+@[^<>\s]+>[ \t]*(\n|$)", re.MULTILINE)
_E_MAIL = re.compile(r"<?\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b>?")


def _written(value: Any, field: str) -> str:
    text = values.text(value, field)
    if not text:
        raise ValueError(f"{field} is missing")
    return text


def _counted(value: Any, field: str) -> int:
    number = values.integer(value, field)
    if number is None:
        raise ValueError(f"{field} is missing")
    return number


def _moment(value: Any, field: str) -> datetime | None:
    text = values.text(value, field)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{field} is no moment in ISO 8601 with a time zone: {text[:40]!r}") from error


def _happened(value: Any, field: str) -> datetime:
    moment = _moment(value, field)
    if moment is None:
        raise ValueError(f"{field} is missing")
    return moment


def believable_moment(value: Any) -> datetime | None:
    """The moment that an ISO 8601 text with a time zone names; None where it names none."""
    try:
        return _moment(value, "time")
    except (TypeError, ValueError):
        return None


def _part(payload: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """A nested object, empty where GitHub says null: accounts that are gone, licences that are not known."""
    part = payload.get(field)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise TypeError(f"{field} must be an object, not {type(part).__name__}")
    return part


def _list(payload: Mapping[str, Any], field: str) -> list[Any]:
    items = payload.get(field)
    if items is None:
        return []
    if not isinstance(items, list):
        raise TypeError(f"{field} must be a list, not {type(items).__name__}")
    return items


def _labels(payload: Mapping[str, Any]) -> list[str]:
    # The API describes a label as an object or a plain string.
    labels = _list(payload, "labels")
    return [label if isinstance(label, str) else _written(label["name"], "labels[].name") for label in labels]


def _login(account: Mapping[str, Any]) -> str | None:
    login = values.text(account.get("login"), "login")
    # "ghost" stands for every account that was deleted; as an author it would make them one person.
    return None if login in (None, "", "ghost") else login


def _repository(payload: Mapping[str, Any]) -> str:
    address = _written(payload["html_url"], "html_url")
    owner, _, rest = urlsplit(address).path.lstrip("/").partition("/")
    name = rest.partition("/")[0]
    if not owner or not name:
        raise ValueError(f"html_url names no repository: {address[:120]!r}")
    return f"{owner}/{name}"


def _plain(markdown: str | None) -> str | None:
    """Markdown with inline HTML as plain text; comments of issue templates disappear."""
    if not markdown:
        return markdown
    html = _MARKDOWN.render(markdown).replace("<br", "\n<br")
    text = LexborHTMLParser(html).text(separator="", strip=False)
    return _BLANK_LINES.sub("\n\n", text).strip()


def _without_people(message: str) -> str:
    """A commit message without `Signed-off-by: Name <address>` lines and without e-mail addresses."""
    return _E_MAIL.sub("[e-mail]", _TRAILER_OF_A_PERSON.sub("", message)).strip()


def _observed_at(payload: Mapping[str, Any]) -> datetime:
    return _happened(f"{_written(payload['observed_on'], 'observed_on')}T00:00:00+00:00", "observed_on")


def identify_repository(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:DAY` and the start of the UTC day of observation."""
    name = _written(payload["repository"]["full_name"], "full_name")
    observed_at = _observed_at(payload)
    return f"github:{name}:{observed_at.date()}", observed_at


def parse_repository(payload: Any) -> dict[str, Any]:
    """A `repositories` row from `{"observed_on": DAY, "repository": answer of GET /repos/{owner}/{repo}}`."""
    snapshot_id, observed_at = identify_repository(payload)
    repository = payload["repository"]
    return {
        "snapshot_id": snapshot_id,
        "repository": _written(repository["full_name"], "full_name"),
        "description": values.text(repository.get("description"), "description"),
        "language": values.text(repository.get("language"), "language"),
        "licence": values.text(_part(repository, "license").get("spdx_id"), "license.spdx_id"),
        "topics": [_written(topic, "topics[]") for topic in _list(repository, "topics")],
        "stars": _counted(repository["stargazers_count"], "stargazers_count"),
        "forks": _counted(repository["forks_count"], "forks_count"),
        # `watchers_count` is a second name of the stargazers; those who watch are the subscribers.
        "watchers": values.integer(repository.get("subscribers_count"), "subscribers_count"),
        "open_issues": values.integer(repository.get("open_issues_count"), "open_issues_count"),
        "size_kb": values.integer(repository.get("size"), "size"),
        "is_fork": repository.get("fork") is True,
        "is_archived": repository.get("archived") is True,
        "repository_created_at": _moment(repository.get("created_at"), "created_at"),
        "pushed_at": _moment(repository.get("pushed_at"), "pushed_at"),
        "observed_at": observed_at,
    }


def identify_commit(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:commit:SHA` and the committer's date, by which `since` and `until` select."""
    sha = _written(payload["sha"], "sha")
    date = _part(_part(payload, "commit"), "committer").get("date")
    return f"github:{_repository(payload)}:commit:{sha}", believable_moment(date)


def parse_commit(payload: Any) -> dict[str, Any]:
    """A `repo_events` row from an item of GET /repos/{owner}/{repo}/commits."""
    event_id, _ = identify_commit(payload)
    commit = payload["commit"]
    message = _without_people(values.text(commit["message"], "commit.message") or "")
    title, _, body = message.partition("\n")
    author = _login(_part(payload, "author")) or values.text(_part(commit, "author").get("name"), "commit.author.name")
    return {
        "event_id": event_id,
        "repository": _repository(payload),
        "event_type": "commit",
        "author": author or None,
        "title": title.strip() or None,
        "text": body.strip() or None,
        "url": _written(payload["html_url"], "html_url"),
        "comments": values.integer(commit.get("comment_count"), "commit.comment_count"),
        "occurred_at": _happened(commit["committer"]["date"], "commit.committer.date"),
    }


def identify_pull_request(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:pull_request:NUMBER` and the time of creation."""
    number = _counted(payload["number"], "number")
    return f"github:{_repository(payload)}:pull_request:{number}", believable_moment(payload.get("created_at"))


def _ticket(payload: Mapping[str, Any], event_id: str, event_type: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "repository": _repository(payload),
        "event_type": event_type,
        "author": _login(_part(payload, "user")),
        "title": values.text(payload["title"], "title"),
        "text": _plain(values.text(payload.get("body"), "body")),
        "url": _written(payload["html_url"], "html_url"),
        "number": _counted(payload["number"], "number"),
        "state": _written(payload["state"], "state"),
        "labels": _labels(payload),
        "comments": values.integer(payload.get("comments"), "comments"),
        "occurred_at": _happened(payload["created_at"], "created_at"),
        "updated_at": _moment(payload.get("updated_at"), "updated_at"),
        "closed_at": _moment(payload.get("closed_at"), "closed_at"),
    }


def parse_pull_request(payload: Any) -> dict[str, Any]:
    """A `repo_events` row from an item of GET /repos/{owner}/{repo}/pulls."""
    event_id, _ = identify_pull_request(payload)
    row = _ticket(payload, event_id, "pull_request")
    merged_at = _moment(payload.get("merged_at"), "merged_at")
    if merged_at is not None:
        row |= {"state": "merged", "closed_at": merged_at}
    return row


def identify_issue(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:issue:NUMBER` and the time of creation."""
    number = _counted(payload["number"], "number")
    return f"github:{_repository(payload)}:issue:{number}", believable_moment(payload.get("created_at"))


def parse_issue(payload: Any) -> dict[str, Any]:
    """A `repo_events` row from an item of GET /repos/{owner}/{repo}/issues."""
    event_id, _ = identify_issue(payload)
    return _ticket(payload, event_id, "issue")


def parse_issue_document(payload: Any) -> dict[str, Any]:
    """A `documents` row from an item of GET /repos/{owner}/{repo}/issues."""
    document_id, _ = identify_issue(payload)
    labels = _labels(payload)
    return {
        "document_id": document_id,
        "kind": "issue",
        "channel": _repository(payload),
        "author": _login(_part(payload, "user")),
        "title": values.text(payload["title"], "title"),
        "text": _plain(values.text(payload.get("body"), "body")),
        "url": _written(payload["html_url"], "html_url"),
        "category": labels[0] if labels else None,
        "created_at": _happened(payload["created_at"], "created_at"),
        # Thumbs up are what the other upstreams call votes; answers without `reactions` show none.
        "score": values.integer(_part(payload, "reactions").get("+1"), "reactions.+1"),
        "replies": values.integer(payload.get("comments"), "comments"),
    }


def identify_trend(payload: Any) -> tuple[str, datetime | None]:
    """`github:trending:LANGUAGE:DAY:owner/name` and the start of the UTC day of observation."""
    name = _written(payload["repository"]["full_name"], "full_name")
    language = _written(payload["language"], "language")
    observed_at = _observed_at(payload)
    return f"github:trending:{language}:{observed_at.date()}:{name}", observed_at


def parse_trend(payload: Any) -> dict[str, Any]:
    """A `trending` row from `{"observed_on", "language", "rank", "repository": item of /search/repositories}`."""
    trend_id, observed_at = identify_trend(payload)
    repository = payload["repository"]
    return {
        "trend_id": trend_id,
        "list_name": _written(payload["language"], "language"),
        "rank": _counted(payload["rank"], "rank"),
        "name": _written(repository["full_name"], "full_name"),
        "volume": float(_counted(repository["stargazers_count"], "stargazers_count")),
        "url": values.text(repository.get("html_url"), "html_url"),
        "observed_at": observed_at,
    }


_SAMPLE_REPOSITORY: dict[str, Any] = {
    "id": 4101,
    "full_name": "harbour/tide",
    "html_url": "https://github.com/harbour/tide",
    "description": "Tables of the tides, computed.",
    "fork": False,
    "created_at": "2024-03-01T08:00:00Z",
    "updated_at": "2026-01-05T21:14:09Z",
    "pushed_at": "2026-01-05T20:58:31Z",
    "size": 2048,
    "stargazers_count": 1312,
    "watchers_count": 1312,
    "subscribers_count": 41,
    "forks_count": 87,
    "open_issues_count": 23,
    "language": "Python",
    "license": {"key": "mit", "name": "MIT License", "spdx_id": "MIT"},
    "topics": ["oceanography", "tides"],
    "archived": False,
}
SAMPLE_COUNTERS: dict[str, Any] = {"observed_on": "2026-01-06", "repository": _SAMPLE_REPOSITORY}
SAMPLE_TREND: dict[str, Any] = {
    "observed_on": "2026-01-06",
    "language": "python",
    "rank": 1,
    "repository": _SAMPLE_REPOSITORY,
}
SAMPLE_COMMIT: dict[str, Any] = {
    "sha": "5f0c1e6d2b7a4938c0d1e2f3a4b5c6d7e8f90123",
    "html_url": "https://github.com/harbour/tide/commit/5f0c1e6d2b7a4938c0d1e2f3a4b5c6d7e8f90123",
    "commit": {
        "author": {"name": "Ida Strand", "email": "ida@harbour.example", "date": "2026-01-05T20:41:00Z"},
        "committer": {"name": "Ida Strand", "email": "ida@harbour.example", "date": "2026-01-05T20:58:12Z"},
        "message": "Correct the tide at the solstice\n\nThe leap second was counted twice.",
        "comment_count": 0,
    },
    "author": {"login": "idastrand", "id": 771},
    "committer": None,
    "parents": [],
}
SAMPLE_PULL_REQUEST: dict[str, Any] = {
    "id": 9002,
    "number": 58,
    "html_url": "https://github.com/harbour/tide/pull/58",
    "state": "closed",
    "title": "Read station lists from CSV",
    "body": "Closes #51.\n\n- reads `stations.csv`\n- keeps the **old** names",
    "user": {"login": "bo-lund", "id": 772},
    "labels": [{"name": "enhancement"}],
    "draft": False,
    "created_at": "2026-01-04T10:00:00Z",
    "updated_at": "2026-01-05T09:30:00Z",
    "closed_at": "2026-01-05T09:30:00Z",
    "merged_at": "2026-01-05T09:30:00Z",
}
SAMPLE_ISSUE: dict[str, Any] = {
    "id": 9001,
    "number": 51,
    "html_url": "https://github.com/harbour/tide/issues/51",
    "state": "open",
    "state_reason": None,
    "title": "Low water is reported an hour late",
    "body": "Since **2.4** the low water of `Esbjerg` comes an hour late.\r\n\r\n<!-- version -->Version 2.4.1",
    "user": None,
    "labels": [{"name": "bug"}],
    "comments": 3,
    "reactions": {"total_count": 5, "+1": 4, "-1": 1},
    "created_at": "2026-01-03T07:12:45Z",
    "updated_at": "2026-01-05T18:02:10Z",
    "closed_at": None,
}
