"""What goes on around the repositories of the world: stars, releases, the event feed, and work by week.

Wire format of https://docs.github.com/en/rest (activity/starring, activity/events, releases/releases,
metrics/statistics), version 2022-11-28.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import islice

from pipeline_platform.sandbox.upstreams.github_items import (
    BEGINNING,
    NAMES,
    Item,
    Thing,
    account,
    commits_of_day,
    days_back,
    iso,
    star_time,
    stars_until,
    tickets_of_day,
)
from pipeline_platform.sandbox.world import FUTURE, World

FEED_LENGTH, FEED_DAYS = 300, 30
WEEK = timedelta(days=7)
WEEKS = 13
"""Weeks that the statistics of contributors go back; what was before costs more to make than it is worth."""

CONTRIBUTORS = 100


def _rule(world: World, key: str) -> str | None:
    """The rule to break; these items have no counters."""
    rule = world.flaw("repo_events", key)
    return None if rule == "counter_not_negative" else rule


def star(world: World, repository: str, number: int) -> Thing:
    """The star number `number` of a repository, counted from its first, with its time."""
    shown_at = star_time(world, repository, number)
    rule = _rule(world, f"{repository}:star:{number}")
    login = f"{NAMES[number % len(NAMES)]}-{number}"
    user: Item = {"login": login, "id": 10**8 + number, "html_url": f"https://github.com/{login}", "type": "User"}
    item: Item = {"starred_at": iso(shown_at), "user": user}
    if rule == "occurred_at_not_in_future":
        item["starred_at"] = iso(shown_at + FUTURE)
    elif rule == "malformed":
        user["login"] = [login]
    return Thing(item, shown_at, shown_at, f"github:{repository}:star:{user['id']}", rule)


def releases(world: World, repository: str) -> Iterator[Thing]:
    """The releases of a repository, newest first."""
    for day in days_back(BEGINNING.date(), world.now().date()):
        if made := _release(world, repository, day):
            yield made


def _release(world: World, repository: str, day: date) -> Thing | None:
    key = f"{repository}:{day}:release"
    rng = world.rng("github", key)
    if rng.random() > 0.4:
        return None
    committed_at = datetime.combine(day, time(), UTC) + timedelta(seconds=rng.randrange(80_000))
    shown_at = committed_at + timedelta(seconds=rng.randrange(60, 3000))
    if shown_at > world.now():
        return None
    number, tag, rule = rng.randrange(10**9), f"v{day:%Y.%m.%d}", _rule(world, key)
    item: Item = {
        "id": number,
        "html_url": f"https://github.com/{repository}/releases/tag/{tag}",
        "tag_name": tag,
        "target_commitish": "main",
        "name": rng.choice((None, "", f"Release of {day:%B}")),
        "draft": False,
        "prerelease": rng.random() < 0.2,
        "author": account(world, f"{rng.choice(NAMES)}{rng.randrange(90)}"),
        "created_at": iso(committed_at),
        "published_at": iso(shown_at + FUTURE if rule == "occurred_at_not_in_future" else shown_at),
        "assets": [],
        "body": rng.choice((None, "## Changed\r\n\r\n- the **parser** is faster", "See the changelog.")),
    }
    if rule == "malformed":
        item["body"] = {"text": item["body"]}
    return Thing(item, shown_at, shown_at, f"github:{repository}:release:{number}", rule)


def feed(world: World, repository: str) -> Iterator[Thing]:
    """The event feed of a repository, newest first: 300 events of 30 days at most."""
    today = world.now().date()
    events = (
        event
        for day in days_back(today - timedelta(days=FEED_DAYS - 1), today)
        for event in sorted(_events(world, repository, day), key=lambda event: event.shown_at, reverse=True)
    )
    return islice(events, FEED_LENGTH)


def _events(world: World, repository: str, day: date) -> Iterator[Thing]:
    """The events of a day by now, in no order."""
    event = partial(_event, world, repository)
    for kind, name, part in (("issues", "IssuesEvent", "issue"), ("pulls", "PullRequestEvent", "pull_request")):
        for ticket in tickets_of_day(world, repository, kind, day):
            if isinstance(ticket.item["title"], str):
                told = {"action": "opened", "number": ticket.item["number"], part: ticket.item}
                yield event(name, ticket.shown_at, told, (ticket.item["user"] or {}).get("login", "ghost"))
    begins = datetime.combine(day, time(), UTC)
    first, end = (stars_until(world, repository, moment) for moment in (begins, begins + timedelta(days=1)))
    for number in range(first, end):
        given = star(world, repository, number)
        if given.shown_at <= world.now() and given.rule is None:
            yield event("WatchEvent", given.shown_at, {"action": "started"}, given.item["user"]["login"])
    published = _release(world, repository, day)
    if published and published.rule is None:
        told = {"action": "published", "release": published.item}
        yield event("ReleaseEvent", published.shown_at, told, published.item["author"]["login"])
    for commit in commits_of_day(world, repository, day):
        if commit.shown_at <= world.now() and commit.item["author"]:
            told = {"ref": "refs/heads/main", "head": commit.item["sha"], "push_id": int(commit.item["sha"][:8], 16)}
            yield event("PushEvent", commit.shown_at, told, commit.item["author"]["login"])
    yield from _talk(world, repository, day)


def _talk(world: World, repository: str, day: date) -> Iterator[Thing]:
    rng = world.rng("github", "talk", repository, day)
    issues = tickets_of_day(world, repository, "issues", day - timedelta(days=1))
    for _ in range(rng.randint(3, 8)):
        shown_at = datetime.combine(day, time(), UTC) + timedelta(seconds=rng.randrange(86_400))
        login, number = f"{rng.choice(NAMES)}{rng.randrange(90)}", rng.randrange(10**9)
        address = f"https://github.com/{repository}"
        about = rng.choice(issues).item if issues else {}
        name, told = rng.choice(
            (
                (
                    "IssueCommentEvent",
                    {
                        "action": "created",
                        "issue": {name: about.get(name) for name in ("number", "html_url", "state")},
                        "comment": {
                            "html_url": f"{address}/issues/1#issuecomment-{number}",
                            "body": "The **same** here.",
                        },
                    },
                ),
                (
                    "PullRequestReviewEvent",
                    {"action": "created", "review": {"html_url": f"{address}/pull/1#{number}", "body": None}},
                ),
                (
                    "ForkEvent",
                    {"forkee": {"full_name": f"{login}/fork", "html_url": f"https://github.com/{login}/fork"}},
                ),
                ("CreateEvent", {"ref": f"topic-{number}", "ref_type": "branch", "master_branch": "main"}),
            )
        )
        if shown_at <= world.now():
            yield _event(world, repository, name, shown_at, told, login)


def _event(world: World, repository: str, name: str, shown_at: datetime, told: Item, login: str) -> Thing:
    key = f"{repository}:{shown_at.isoformat()}:{name}:{login}"
    number = 4 * 10**10 + world.rng("github", "event", key).randrange(10**10)
    rule = _rule(world, key)
    person = account(world, login)
    item: Item = {
        "id": str(number),
        "type": name,
        "actor": {"id": person["id"], "login": login, "display_login": login},
        "repo": {"id": 1, "name": repository},
        "payload": told,
        "public": True,
        "created_at": iso(shown_at + FUTURE if rule == "occurred_at_not_in_future" else shown_at),
    }
    if rule == "malformed":
        item["actor"] = login
    return Thing(item, shown_at, shown_at, f"github:{repository}:event:{number}", rule)


def contributors(world: World, repository: str) -> list[Item]:
    """Commits per contributor with an account and week, of the busiest, least busy first as GitHub lists them."""
    now = world.now()
    sunday = datetime.combine(now.date() - timedelta(days=now.isoweekday() % 7), time(), UTC)
    weeks = [sunday - back * WEEK for back in range(WEEKS - 1, -1, -1)]
    work: dict[str, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for week in weeks:
        for day in days_back(week.date(), (week + WEEK).date() - timedelta(days=1)):
            for commit in commits_of_day(world, repository, day):
                if commit.shown_at <= now and commit.item["author"]:
                    work[commit.item["author"]["login"]][week] += 1
    busiest = sorted(work, key=lambda login: (-sum(work[login].values()), login))[:CONTRIBUTORS]
    return [
        {
            "total": sum(work[login].values()),
            "author": account(world, login),
            "weeks": [_week(world, repository, login, week, work[login][week]) for week in weeks],
        }
        for login in reversed(busiest)
    ]


def _week(world: World, repository: str, login: str, week: datetime, commits: int) -> Item:
    rng = world.rng("github", "week", repository, login, week.date())
    shown: Item = {"w": int(week.timestamp()), "a": commits * rng.randrange(80), "d": commits * rng.randrange(40)}
    shown["c"] = commits
    rule, shown_week = world.flaw("repo_events", f"{repository}:{login}:{week.date()}") if commits else None, week
    if rule == "occurred_at_not_in_future":
        # Whole weeks later, so that it is a Sunday still.
        shown_week, rule = week + FUTURE // WEEK * WEEK, "week_at_not_in_future"
        shown["w"] = int(shown_week.timestamp())
    elif rule == "malformed":
        shown["a"] = [shown["a"]]
    elif rule is not None:
        shown["c"] = -1
    if rule is not None:
        number = account(world, login)["id"]
        world.plant("github", f"github:{repository}:contribution:{number}:{shown_week.date()}", rule, week.date())
    return shown
