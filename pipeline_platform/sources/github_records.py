"""What the items of the GitHub REST API mean: their identity and their place in the canonical kinds.

Pure functions of one item each, with the samples that show their form. Wire format: version 2022-11-28 of
https://docs.github.com/en/rest.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeline_platform.sources.github_values import (
    believable_moment,
    counted,
    happened,
    integer,
    list_of,
    login_of,
    moment_of,
    part_of,
    plain_text,
    repository_of,
    text_of,
    written,
)

_TRAILER_OF_A_PERSON = re.compile(r"^[ \t]*[A-Za-z][A-Za-z-]*:[ \t].*<[^<>\s]+@[^<>\s]+>[ \t]*(\n|$)", re.MULTILINE)
_E_MAIL = re.compile(r"<?\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b>?")


def _labels(payload: Mapping[str, Any]) -> list[str]:
    # The API describes a label as an object or a plain string.
    labels = list_of(payload, "labels")
    return [label if isinstance(label, str) else written(label["name"], "labels[].name") for label in labels]


def _without_people(message: str) -> str:
    """A commit message without `Signed-off-by: Name <address>` lines and without e-mail addresses."""
    return _E_MAIL.sub("[e-mail]", _TRAILER_OF_A_PERSON.sub("", message)).strip()


def _observed_at(payload: Mapping[str, Any]) -> datetime:
    return happened(f"{written(payload['observed_on'], 'observed_on')}T00:00:00+00:00", "observed_on")


def identify_repository(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:DAY` and the start of the UTC day of observation."""
    name = written(payload["repository"]["full_name"], "full_name")
    observed_at = _observed_at(payload)
    return f"github:{name}:{observed_at.date()}", observed_at


def parse_repository(payload: Any) -> dict[str, Any]:
    """A `repositories` row from `{"observed_on": DAY, "repository": answer of GET /repos/{owner}/{repo}}`."""
    snapshot_id, observed_at = identify_repository(payload)
    repository = payload["repository"]
    return {
        "snapshot_id": snapshot_id,
        "repository": written(repository["full_name"], "full_name"),
        "description": text_of(repository.get("description"), "description"),
        "language": text_of(repository.get("language"), "language"),
        "licence": text_of(part_of(repository, "license").get("spdx_id"), "license.spdx_id"),
        "topics": [written(topic, "topics[]") for topic in list_of(repository, "topics")],
        "stars": counted(repository["stargazers_count"], "stargazers_count"),
        "forks": counted(repository["forks_count"], "forks_count"),
        # `watchers_count` is a second name of the stargazers; those who watch are the subscribers.
        "watchers": integer(repository.get("subscribers_count"), "subscribers_count"),
        "open_issues": integer(repository.get("open_issues_count"), "open_issues_count"),
        "size_kb": integer(repository.get("size"), "size"),
        "is_fork": repository.get("fork") is True,
        "is_archived": repository.get("archived") is True,
        "repository_created_at": moment_of(repository.get("created_at"), "created_at"),
        "pushed_at": moment_of(repository.get("pushed_at"), "pushed_at"),
        "observed_at": observed_at,
    }


def identify_commit(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:commit:SHA` and the committer's date, by which `since` and `until` select."""
    sha = written(payload["sha"], "sha")
    date = part_of(part_of(payload, "commit"), "committer").get("date")
    return f"github:{repository_of(payload)}:commit:{sha}", believable_moment(date)


def parse_commit(payload: Any) -> dict[str, Any]:
    """A `repo_events` row from an item of GET /repos/{owner}/{repo}/commits."""
    event_id, _ = identify_commit(payload)
    commit = payload["commit"]
    message = _without_people(text_of(commit["message"], "commit.message") or "")
    title, _, body = message.partition("\n")
    author = login_of(part_of(payload, "author")) or text_of(
        part_of(commit, "author").get("name"), "commit.author.name"
    )
    return {
        "event_id": event_id,
        "repository": repository_of(payload),
        "event_type": "commit",
        "author": author or None,
        "title": title.strip() or None,
        "text": body.strip() or None,
        "url": written(payload["html_url"], "html_url"),
        "comments": integer(commit.get("comment_count"), "commit.comment_count"),
        "occurred_at": happened(commit["committer"]["date"], "commit.committer.date"),
    }


def identify_pull_request(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:pull_request:NUMBER` and the time of creation."""
    number = counted(payload["number"], "number")
    return f"github:{repository_of(payload)}:pull_request:{number}", believable_moment(payload.get("created_at"))


def _ticket(payload: Mapping[str, Any], event_id: str, event_type: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "repository": repository_of(payload),
        "event_type": event_type,
        "author": login_of(part_of(payload, "user")),
        "title": text_of(payload["title"], "title"),
        "text": plain_text(text_of(payload.get("body"), "body")),
        "url": written(payload["html_url"], "html_url"),
        "number": counted(payload["number"], "number"),
        "state": written(payload["state"], "state"),
        "labels": _labels(payload),
        "comments": integer(payload.get("comments"), "comments"),
        "occurred_at": happened(payload["created_at"], "created_at"),
        "updated_at": moment_of(payload.get("updated_at"), "updated_at"),
        "closed_at": moment_of(payload.get("closed_at"), "closed_at"),
    }


def parse_pull_request(payload: Any) -> dict[str, Any]:
    """A `repo_events` row from an item of GET /repos/{owner}/{repo}/pulls."""
    event_id, _ = identify_pull_request(payload)
    row = _ticket(payload, event_id, "pull_request")
    merged_at = moment_of(payload.get("merged_at"), "merged_at")
    if merged_at is not None:
        row |= {"state": "merged", "closed_at": merged_at}
    return row


def identify_issue(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:issue:NUMBER` and the time of creation."""
    number = counted(payload["number"], "number")
    return f"github:{repository_of(payload)}:issue:{number}", believable_moment(payload.get("created_at"))


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
        "channel": repository_of(payload),
        "author": login_of(part_of(payload, "user")),
        "title": text_of(payload["title"], "title"),
        "text": plain_text(text_of(payload.get("body"), "body")),
        "url": written(payload["html_url"], "html_url"),
        "category": labels[0] if labels else None,
        "created_at": happened(payload["created_at"], "created_at"),
        # Thumbs up are what the other upstreams call votes; answers without `reactions` show none.
        "score": integer(part_of(payload, "reactions").get("+1"), "reactions.+1"),
        "replies": integer(payload.get("comments"), "comments"),
    }


def identify_trend(payload: Any) -> tuple[str, datetime | None]:
    """`github:trending:LANGUAGE:DAY:owner/name` and the start of the UTC day of observation."""
    name = written(payload["repository"]["full_name"], "full_name")
    language = written(payload["language"], "language")
    observed_at = _observed_at(payload)
    return f"github:trending:{language}:{observed_at.date()}:{name}", observed_at


def parse_trend(payload: Any) -> dict[str, Any]:
    """A `trending` row from `{"observed_on", "language", "rank", "repository": item of /search/repositories}`."""
    trend_id, observed_at = identify_trend(payload)
    repository = payload["repository"]
    return {
        "trend_id": trend_id,
        "list_name": written(payload["language"], "language"),
        "rank": counted(payload["rank"], "rank"),
        "name": written(repository["full_name"], "full_name"),
        "volume": float(counted(repository["stargazers_count"], "stargazers_count")),
        "url": text_of(repository.get("html_url"), "html_url"),
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
    # Lists leave it out; the answer for a single pull request has it.
    "comments": 2,
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
