"""The rules of the alerts: pure functions from what is stored to the conditions that hold now.

A condition is one thing that is wrong with one subject; `alerting.py` remembers which were told.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_platform.operate.alert_facts import Facts
from pipeline_platform.operate.alert_settings import SEVERITIES, AlertSettings, Severity
from pipeline_platform.settings import SettingsError

STALE_CADENCES = 3
"""Turns that a stream may miss while others of its source are fetched."""
CHANNEL_FAILURES = 3
"""Attempts of a channel in a row that are told through the others."""
CRITICAL_DISK_SHARE = 0.25
"""Share of the least free space below which a full disk is critical."""
GIB = 1024**3


@dataclass(frozen=True)
class Condition:
    """Something that is wrong now.

    Attributes:
        rule, subject: what and with what; together they name the condition while it lasts.
        since: when it began, as far as that is known.
        path: where the Dagster UI shows more, below its address.
    """

    rule: str
    subject: str
    severity: Severity
    message: str
    since: datetime
    path: str | None = None


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        severity: of its conditions, unless they say that they are worse or the settings say otherwise.
        means: what it tells, in words.
        runbook: what to do.
        fact: the attribute of `Facts` without which it cannot be judged.
        judge: gives its conditions.
    """

    name: str
    severity: Severity
    means: str
    runbook: str
    fact: str
    judge: Callable[[Facts, AlertSettings], Iterator[Condition]]


def refuse_unknown_rules(settings: AlertSettings) -> None:
    """Refuse severities of rules that do not exist.

    Raises:
        SettingsError: there is one.
    """
    known = [rule.name for rule in RULES]
    if unknown := sorted(set(settings.severities) - set(known)):
        raise SettingsError(
            f"PIPELINE_ALERTS__SEVERITIES: no rule is called {', '.join(unknown)}; known: {', '.join(known)}"
        )


def conditions(facts: Facts, settings: AlertSettings) -> tuple[list[Condition], set[str]]:
    """What is wrong now.

    Returns:
        The conditions, by rule and subject, and the names of the rules that could be judged: of the others nothing is
        known, so that what they told before neither lasts nor is over.
    """
    found: list[Condition] = []
    judged = set()
    for rule in RULES:
        if getattr(facts, rule.fact) is None:
            continue
        judged.add(rule.name)
        severity = settings.severities.get(rule.name)
        if severity == "off":
            continue
        found += [replace(one, severity=severity) if severity else one for one in rule.judge(facts, settings)]
    return sorted(found, key=lambda one: (one.rule, one.subject)), judged


def worse(one: Severity, other: Severity) -> Severity:
    """The worse of two severities."""
    return max(one, other, key=SEVERITIES.index)


def _job_failing(facts: Facts, settings: AlertSettings) -> Iterator[Condition]:
    for streak in facts.streaks or ():
        if streak.failures >= settings.failures:
            message = f"{streak.job} failed {streak.failures} times in a row. Last: {_first_line(streak.error)}"
            yield Condition("job_failing", streak.job, "critical", message, streak.since, f"/runs/{streak.last_run_id}")


def _run_slow(facts: Facts, settings: AlertSettings) -> Iterator[Condition]:
    """The longest run of a job that is over its SLA now, else its last one if that was."""
    slow: dict[str, Condition] = {}
    over = [(run, facts.now) for run in facts.running or ()] + [
        (run, run.ended_at) for run in facts.last_runs or () if run.ended_at is not None
    ]
    for run, until in over:
        allowed = timedelta(minutes=settings.slas.get(run.job, settings.sla_minutes))
        if run.started_at is None or until - run.started_at <= allowed or run.job in slow:
            continue
        verb = "took" if run.ended_at else "has been running for"
        message = f"{run.job} {verb} {_span(until - run.started_at)}; allowed are {_span(allowed)}"
        slow[run.job] = Condition(
            "run_slow", run.job, "warning", message, run.started_at + allowed, f"/runs/{run.run_id}"
        )
    yield from slow.values()


def _quality_low(facts: Facts, _: AlertSettings) -> Iterator[Condition]:
    for low in facts.scores or ():
        message = f"{low.table} scores {low.score:.3f} on {low.day}, below {low.threshold:g}. {low.explanation}"
        yield Condition("quality_low", low.table, "warning", message, facts.now, _asset("quality/scores"))


def _check_failed(facts: Facts, _: AlertSettings) -> Iterator[Condition]:
    for broken in facts.checks or ():
        message = f"{broken.check} of {broken.table} failed for {', '.join(broken.days)}: {_first_line(broken.words)}"
        yield Condition(
            "check_failed", f"{broken.table} {broken.check}", "critical", message, broken.since, _asset(broken.table)
        )


def _source_errors(facts: Facts, settings: AlertSettings) -> Iterator[Condition]:
    for source in facts.sources or ():
        if source.targets < settings.error_rate_targets or source.tried_at is None:
            continue
        rate = source.failed_targets / source.targets
        if rate > settings.error_rate:
            message = (
                f"{source.name}: {source.failed_targets} of {source.targets} targets failed ({rate:.0%}) in "
                f"{settings.error_rate_minutes:g} minutes. Last: {_first_line(source.error)}"
            )
            yield Condition("source_errors", source.name, "warning", message, source.tried_at)


def _no_data(facts: Facts, settings: AlertSettings) -> Iterator[Condition]:
    limit = timedelta(hours=settings.silent_hours)
    for source in facts.sources or ():
        last = source.data_at or source.first_at
        if last is None:
            continue
        due, after = source.ticks_after(last)
        deadline = max(last + limit, due + min(limit, after - due))
        # While nobody watched nobody fetched either, as the same daemon does both: its first turn comes first.
        asked_in_vain = source.tried_at is not None and source.tried_at > last
        if not asked_in_vain:
            due_again, after_that = source.ticks_after(facts.watching_since)
            deadline = max(deadline, due_again + min(limit, after_that - due_again))
        if facts.now > deadline:
            since = f"since {last:%Y-%m-%d %H:%M} UTC" if source.data_at else "ever"
            message = f"{source.name} brought no data {since}. Last error: {_first_line(source.error)}"
            yield Condition("no_data", source.name, "critical", message, last)


def _stream_stale(facts: Facts, settings: AlertSettings) -> Iterator[Condition]:
    limit = timedelta(hours=settings.silent_hours)
    for source in facts.sources or ():
        newest = max((at for at in source.stream_successes.values() if at), default=None)
        for stream, at in source.stream_successes.items():
            reference = at or source.first_at
            if newest is None or reference is None or (at is not None and at >= newest):
                continue
            due, after = source.ticks_after(reference)
            # Held against its siblings: what stopped the whole source is told of the source.
            if newest - reference > max(limit, (due - reference) + (STALE_CADENCES - 1) * (after - due)):
                since = f"since {at:%Y-%m-%d %H:%M} UTC" if at else "ever"
                message = f"{stream} was not fetched whole {since}, though other streams of {source.name} were"
                yield Condition("stream_stale", stream, "warning", message, reference, _asset(f"raw/{stream}"))


def _breaker_open(facts: Facts, _: AlertSettings) -> Iterator[Condition]:
    for source in facts.upstreams or ():
        if source.breaker != "closed":
            message = f"the breaker of {source.name} is {source.breaker}: the upstream failed five times in a row"
            yield Condition("breaker_open", source.name, "warning", message, facts.now)


def _quota_spent(facts: Facts, _: AlertSettings) -> Iterator[Condition]:
    for source in facts.upstreams or ():
        if source.requests_left == 0:
            message = (
                f"all requests of the day of {source.name} are used; more from {source.resets_at:%Y-%m-%d %H:%M} UTC"
            )
            yield Condition("quota_spent", source.name, "info", message, facts.now)


def _disk_full(facts: Facts, settings: AlertSettings) -> Iterator[Condition]:
    least, free = settings.disk_free_gib * GIB, facts.free_bytes
    if free is not None and free < least:
        severity: Severity = "critical" if free < CRITICAL_DISK_SHARE * least else "warning"
        message = f"{free / GIB:.1f} GiB are free on the disk of PIPELINE_HOME; {settings.disk_free_gib:g} are wanted"
        yield Condition("disk_full", "home", severity, message, facts.now)


def _store_unreachable(facts: Facts, _: AlertSettings) -> Iterator[Condition]:
    for store, reason in sorted(facts.unreachable.items()):
        message = f"{store} does not answer: {_first_line(reason)}. What is known through it is not watched meanwhile"
        yield Condition("store_unreachable", store, "critical", message, facts.now)


def _channel_failing(facts: Facts, _: AlertSettings) -> Iterator[Condition]:
    for channel in facts.channels or ():
        if channel.failures >= CHANNEL_FAILURES:
            message = f"alerts do not get through by {channel.name}: {_first_line(channel.error)}"
            yield Condition("channel_failing", channel.name, "warning", message, channel.failing_since or facts.now)


def _labels_waiting(facts: Facts, _: AlertSettings) -> Iterator[Condition]:
    if facts.labelled:
        names = sorted(facts.labelled)
        message = f"{len(names)} files of labelled texts wait to be trained on: {', '.join(names[:5])}"
        yield Condition("labels_waiting", "inbox/labels", "info", message, min(facts.labelled.values()))


RULES: tuple[Rule, ...] = (
    Rule(
        "job_failing",
        "critical",
        "A job failed three times or more in a row (PIPELINE_ALERTS__FAILURES); cancelled runs do not count.",
        "Open its last run: the first failed step says why. What it owes is fetched by the next run that succeeds.",
        "streaks",
        _job_failing,
    ),
    Rule(
        "run_slow",
        "warning",
        "The last run of a job, or one that still goes on, took longer than its SLA (PIPELINE_ALERTS__SLA_MINUTES, "
        "PIPELINE_ALERTS__SLAS).",
        "See which step takes the time. An upstream that makes us wait, a backfill, or a machine that does too much.",
        "running",
        _run_slow,
    ),
    Rule(
        "quality_low",
        "warning",
        "The newest day of a table scores below its threshold (PIPELINE_QUALITY_THRESHOLD, "
        "PIPELINE_QUALITY_THRESHOLDS).",
        "`pipeline-platform quality --open` shows which part costs the score, with samples.",
        "scores",
        _quality_low,
    ),
    Rule(
        "check_failed",
        "critical",
        "A blocking check failed, and what is made of its table is held back.",
        "`pipeline-platform quality --day DAY --open` shows the rows that broke it. Mend parser or rule, and run the "
        "day again.",
        "checks",
        _check_failed,
    ),
    Rule(
        "source_errors",
        "warning",
        "More than 10 % of the targets of a source failed within five minutes (PIPELINE_ALERTS__ERROR_RATE, …_MINUTES, "
        "…_TARGETS). The window ends with its last fetch.",
        "`pipeline-platform dead-letters list --source NAME` says what failed and why; they replay by themselves.",
        "sources",
        _source_errors,
    ),
    Rule(
        "no_data",
        "critical",
        "A source brought no record for two hours (PIPELINE_ALERTS__SILENT_HOURS), or not within them after its turn "
        "where it has one less often.",
        "`pipeline-platform sources` shows its last error, breaker and quota. Is its schedule running, and the daemon?",
        "sources",
        _no_data,
    ),
    Rule(
        "stream_stale",
        "warning",
        f"A stream missed {STALE_CADENCES} turns that other streams of its source did not.",
        "`pipeline-platform dead-letters list --source NAME` says why its targets fail.",
        "sources",
        _stream_stale,
    ),
    Rule(
        "breaker_open",
        "warning",
        "The breaker of a source is open: its upstream failed five times in a row.",
        "Look at the upstream's status page. The breaker lets a probe through every minute and closes by itself.",
        "upstreams",
        _breaker_open,
    ),
    Rule(
        "quota_spent",
        "info",
        "All requests that a source may send in a day are used.",
        "What was left out is fetched after the reset. If it happens daily: a lower cadence, fewer targets, or a "
        "larger plan with PIPELINE_<SOURCE>__REQUESTS_PER_DAY.",
        "upstreams",
        _quota_spent,
    ),
    Rule(
        "disk_full",
        "warning",
        "Less is free on the disk of PIPELINE_HOME than PIPELINE_ALERTS__DISK_FREE_GIB; critical below a quarter.",
        "Make room; a commit that finds none fails and changes nothing.",
        "free_bytes",
        _disk_full,
    ),
    Rule(
        "store_unreachable",
        "critical",
        "Redis or the lake does not answer.",
        "`pipeline-platform doctor` says what is wrong with it.",
        "unreachable",
        _store_unreachable,
    ),
    Rule(
        "channel_failing",
        "warning",
        f"A channel failed {CHANNEL_FAILURES} times in a row; told through the others.",
        "`pipeline-platform alerts test` says why. What it did not tell is told when it works again.",
        "channels",
        _channel_failing,
    ),
    Rule(
        "labels_waiting",
        "info",
        "Files of labelled texts (.csv, .tsv) were put into `inbox/labels` of PIPELINE_HOME.",
        "Models are trained by hand, since a model that learned something wrong is worse than an old one: "
        "`docs/models.md` says how. Then move the files away.",
        "labelled",
        _labels_waiting,
    ),
)


def rule_named(name: str) -> Rule | None:
    """The rule of a name; None for one of an earlier version."""
    return next((rule for rule in RULES if rule.name == name), None)


def _asset(path: str) -> str:
    return f"/assets/{path}"


def _first_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[0] if lines else "unknown"


def _span(length: timedelta) -> str:
    minutes = length.total_seconds() / 60
    return f"{minutes / 60:.1f} hours" if minutes >= 120 else f"{minutes:.1f} minutes"
