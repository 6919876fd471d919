"""What GitHub shows of the world: repositories, commits, pull requests and issues in the wire format of its REST API.

Fields as in https://docs.github.com/en/rest, version 2022-11-28; content by seed and day.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pipeline_platform.sandbox.world import FIRST_DAY, FIRST_NUMBERED_DAY, FUTURE, NUMBERS_A_DAY, Post, World

Item = dict[str, Any]

BEGINNING = datetime.combine(FIRST_DAY, time(), UTC)
LANGUAGES = ("python", "rust", "typescript")
LIFE = timedelta(days=3)
"""After this an issue or pull request does not change any more."""

_FIRST_PULL_REQUEST = 600
_VERBS = ("Correct", "Speed up", "Document", "Simplify", "Test", "Remove", "Extend", "Rename")
_THINGS = ("the parser", "the cache", "the release notes", "the retry loop", "the command line", "the type hints")
NAMES = ("kestrel", "pebble", "lantern", "thistle", "harpoon", "meadow", "copper", "willow", "quarry", "ember")
_LABELS = ("bug", "enhancement", "question", "documentation")


def iso(moment: datetime) -> str:
    """`moment` (aware UTC) as GitHub writes it, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def days_back(first: date, last: date) -> Iterator[date]:
    """Days from `last` back to `first`, for listings that show the newest first."""
    return (last - timedelta(days=back) for back in range((last - first).days + 1))


def _markdown(text: str) -> str:
    """`text` in Markdown that reads as the text does."""
    return re.sub(r"([\\`*_\[\]<>#~|&])", r"\\\1", text)


def account(world: World, name: str) -> Item:
    """The account of `name`, as items show it."""
    number = world.rng("github", "account", name).randrange(10**8)
    return {"login": name, "id": number, "html_url": f"https://github.com/{name}", "type": "User", "site_admin": False}


@dataclass(frozen=True)
class Thing:
    """A commit, issue, pull request, star, release or event as it stands now.

    Attributes:
        item: in the wire format.
        shown_at, updated_at: when it was made and last changed.
        record_id, rule: set where it breaks a rule on purpose; what broke an issue is known to the world.
    """

    item: Item
    shown_at: datetime
    updated_at: datetime
    record_id: str = ""
    rule: str | None = None


def _life(world: World, key: str, shown_at: datetime) -> tuple[datetime, datetime | None]:
    """When a ticket was last changed and when it was closed, as far as that has happened by now."""
    rng, now = world.rng("github", "life", key), world.now()
    changes = sorted(shown_at + rng.random() * LIFE for _ in range(rng.randint(0, 3)))
    past = [change.replace(microsecond=0) for change in changes if change <= now]
    closed = bool(changes) and len(past) == len(changes) and rng.random() < 0.7
    return (past[-1] if past else shown_at), (past[-1] if closed else None)


def _issue(world: World, post: Post) -> Thing:
    # What claims to be made in the future tells by its last change alone when it was.
    is_future = post.flaw == "created_at_not_in_future"
    updated_at, closed_at = (post.shown_at, None) if is_future else _life(world, post.key, post.shown_at)
    api = f"https://api.github.com/repos/{post.channel}"
    rng = world.rng("github", "issue", post.key)
    item = {
        "id": 10**9 + post.number,
        "number": post.number,
        "url": f"{api}/issues/{post.number}",
        "repository_url": api,
        "html_url": post.url,
        "state": "closed" if closed_at else "open",
        "state_reason": "completed" if closed_at else None,
        "title": post.title,
        "body": _markdown(post.text) or None,
        "user": None if rng.random() < 0.01 else account(world, post.author),
        "labels": [{"id": number, "name": _LABELS[number]} for number in rng.sample(range(4), rng.randint(0, 2))],
        "comments": post.replies,
        "reactions": {"total_count": post.score, "+1": post.score, "-1": 0},
        "author_association": "NONE",
        "created_at": iso(post.created_at),
        "updated_at": iso(updated_at),
        "closed_at": closed_at and iso(closed_at),
    }
    if post.flaw == "malformed":
        item["title"] = {"text": post.title}
    return Thing(item, post.shown_at, updated_at)


def _pull_request(world: World, repository: str, day: date, place: int) -> Thing:
    key = f"{repository}:{day}:pull_request:{place}"
    rng = world.rng("github", key)
    number = (day - FIRST_NUMBERED_DAY).days * NUMBERS_A_DAY + _FIRST_PULL_REQUEST + place
    shown_at = datetime.combine(day, time(), UTC) + timedelta(seconds=rng.randrange(86400))
    rule = world.flaw("repo_events", key)
    is_future = rule == "occurred_at_not_in_future"
    updated_at, closed_at = (shown_at, None) if is_future else _life(world, key, shown_at)
    address = f"https://github.com/{repository}/pull/{number}"
    item: Item = {
        "id": 2 * 10**9 + number,
        "number": number,
        "html_url": address,
        "state": "closed" if closed_at else "open",
        "draft": False,
        "title": f"{rng.choice(_VERBS)} {rng.choice(_THINGS)}",
        "body": rng.choice((None, "", "See the **tests**.\r\n\r\n- one\r\n- two")),
        "user": account(world, f"{rng.choice(NAMES)}{rng.randrange(90)}"),
        "labels": [],
        "created_at": iso(shown_at),
        "updated_at": iso(updated_at),
        "closed_at": closed_at and iso(closed_at),
        "merged_at": iso(closed_at) if closed_at and rng.random() < 0.8 else None,
        "base": {"ref": "main", "repo": {"full_name": repository}},
        "head": {"ref": "change", "repo": None},
    }
    if is_future:
        item["created_at"] = iso(shown_at + FUTURE)
    elif rule == "counter_not_negative":
        item["comments"] = -1
    elif rule == "malformed":
        item["title"] = {"text": item["title"]}
    return Thing(item, shown_at, updated_at, f"github:{repository}:pull_request:{number}", rule)


def _commit(world: World, repository: str, day: date, place: int) -> Thing:
    key = f"{repository}:{day}:commit:{place}"
    rng = world.rng("github", key)
    sha = f"{rng.getrandbits(160):040x}"
    shown_at = datetime.combine(day, time(), UTC) + timedelta(seconds=rng.randrange(86400))
    name = f"{rng.choice(NAMES)}{rng.randrange(90)}"
    rule = world.flaw("repo_events", key)
    date_shown = iso(shown_at + FUTURE if rule == "occurred_at_not_in_future" else shown_at)
    person = {"name": name.capitalize(), "email": f"{name}@example.org", "date": date_shown}
    trailer = f"\n\nSigned-off-by: {person['name']} <{person['email']}>" if rng.random() < 0.2 else ""
    message = f"{rng.choice(_VERBS)} {rng.choice(_THINGS)}{trailer}"
    author = account(world, name) if rng.random() < 0.8 else None
    item = {
        "sha": sha,
        "html_url": f"https://github.com/{repository}/commit/{sha}",
        "commit": {
            "author": person,
            "committer": person,
            "message": [message] if rule == "malformed" else message,
            "comment_count": -1 if rule == "counter_not_negative" else 0,
        },
        "author": author,
        "committer": author,
        "parents": [{"sha": f"{rng.getrandbits(160):040x}"}],
    }
    return Thing(item, shown_at, shown_at, f"github:{repository}:commit:{sha}", rule)


def tickets_of_day(world: World, repository: str, kind: str, day: date) -> list[Thing]:
    """The `issues` or `pulls` made on a day by now, as they stand now."""
    if kind == "issues":
        return [_issue(world, post) for post in world.channel_posts("github", repository, day)]
    count = world.rng("github", "pull requests", repository, day).randint(1, 5)
    made = (_pull_request(world, repository, day, place) for place in range(count))
    return [ticket for ticket in made if ticket.shown_at <= world.now()]


def commits_of_day(world: World, repository: str, day: date) -> list[Thing]:
    """Every commit of a day, in no order, those that are still to come among them."""
    count = world.rng("github", "commits", repository, day).randint(2, 9)
    return [_commit(world, repository, day, place) for place in range(count)]


def _stars_a_day(world: World, repository: str) -> float:
    return world.rng("github", "stars a day", repository).uniform(0.5, 6)


def star_time(world: World, repository: str, number: int) -> datetime:
    """When the star number `number`, counted from 0, was given; stars come in order."""
    late = world.rng("github", "star", repository, number).random()
    moment = BEGINNING + timedelta(days=(number + late) / _stars_a_day(world, repository))
    return moment.replace(microsecond=0)


def stars_until(world: World, repository: str, moment: datetime) -> int:
    """How many stars were given before `moment`."""
    number = max(int((moment - BEGINNING) / timedelta(days=1) * _stars_a_day(world, repository)), 0)
    # At this pace one more or less, by how late in its turn the last one came.
    return number + (star_time(world, repository, number) < moment)


def repository_number(world: World, repository: str) -> int:
    """The number by which a repository is known under every name it ever had."""
    return world.rng("github", "number", repository).randrange(10**9)


def repository_now(world: World, repository: str) -> Item:
    """The repository object with the counters of today, as they stood when the day began."""
    now = world.now()
    rng = world.rng("github", "repository", repository)
    age = (now.date() - FIRST_DAY).days
    stars = stars_until(world, repository, datetime.combine(now.date(), time(), UTC))
    forks = stars // rng.randint(6, 14)
    language, watchers = rng.choice(LANGUAGES).capitalize(), stars // rng.randint(30, 60)
    if world.flaw("repositories", f"{repository}:{now.date()}"):
        forks = -1
        world.plant("github", f"github:{repository}:{now.date()}", "counter_not_negative", now.date())
    return {
        "id": repository_number(world, repository),
        "name": repository.partition("/")[2],
        "full_name": repository,
        "private": False,
        "html_url": f"https://github.com/{repository}",
        "description": f"The home of {repository.partition('/')[2]}.",
        "fork": False,
        "created_at": iso(BEGINNING),
        "updated_at": iso(datetime.combine(now.date(), time(), UTC)),
        "pushed_at": iso(datetime.combine(now.date(), time(), UTC)),
        "size": 900 + age,
        "stargazers_count": stars,
        "watchers_count": stars,
        "subscribers_count": watchers,
        "forks_count": forks,
        "open_issues_count": rng.randint(5, 300),
        "language": language,
        "license": {"key": "apache-2.0", "name": "Apache License 2.0", "spdx_id": "Apache-2.0"},
        "topics": ["data", language.lower()],
        "archived": False,
    }


def young_repositories(world: World, language: str, oldest: date) -> list[Item]:
    """Repositories of `language` made after `oldest`; each gains stars at a pace of its own."""
    now = world.now()
    items = []
    for day in days_back(oldest + timedelta(days=1), now.date()):
        rng = world.rng("github", "young", language, day)
        for place in range(rng.randint(2, 4)):
            pace, name = rng.paretovariate(1.1), f"{rng.choice(NAMES)}-{rng.choice(NAMES)}-{day:%y%m%d}{place}"
            stars = 1 + int(pace * ((now.date() - day).days + 1) * 5)
            full_name = f"{rng.choice(NAMES)}works/{name}"
            items.append(
                {
                    "id": rng.randrange(10**9),
                    "name": name,
                    "full_name": full_name,
                    "html_url": f"https://github.com/{full_name}",
                    "description": None if place else f"A {name.partition('-')[0]} for {language}.",
                    "fork": False,
                    "created_at": iso(datetime.combine(day, time(8), UTC)),
                    "stargazers_count": stars,
                    "watchers_count": stars,
                    "forks_count": stars // 9,
                    "open_issues_count": stars // 50,
                    "language": language,
                    "score": 1.0,
                }
            )
    return sorted(items, key=lambda item: (-item["stargazers_count"], item["full_name"]))
