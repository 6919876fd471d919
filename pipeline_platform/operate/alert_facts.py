"""The facts that the rules of the alerts look at, as plain data; `alert_gathering.py` has them from the stores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from pipeline_platform.storage.run_log import JobRun, JobStreak


@dataclass(frozen=True)
class SourceFacts:
    """How a source that is to be fetched came along.

    Attributes:
        ticks_after: when it is due after a moment: the next turn of its schedule and the one after it.
        data_at: when a fetch last brought records; None if none ever did.
        tried_at: when it was last fetched, whatever came of it.
        first_at: when it was fetched first.
        targets, failed_targets: in the window of the error rate that ends with its last fetch.
        error: of the newest fetch that failed in part.
        stream_successes: when each of its streams was last fetched whole; None if never.
    """

    name: str
    ticks_after: Callable[[datetime], tuple[datetime, datetime]]
    data_at: datetime | None = None
    tried_at: datetime | None = None
    first_at: datetime | None = None
    targets: int = 0
    failed_targets: int = 0
    error: str | None = None
    stream_successes: dict[str, datetime | None] = field(default_factory=dict)


@dataclass(frozen=True)
class UpstreamFacts:
    """How an upstream may be asked: its breaker, and what is left of the requests of the day, if limited."""

    name: str
    breaker: str
    requests_left: int | None
    resets_at: datetime


@dataclass(frozen=True)
class LowScore:
    """A table whose newest score lies below its threshold."""

    table: str
    day: date
    score: float
    threshold: float
    explanation: str


@dataclass(frozen=True)
class BrokenCheck:
    """A blocking check whose newest verdict on some days is that they failed."""

    table: str
    check: str
    days: Sequence[str]
    since: datetime
    words: str


@dataclass(frozen=True)
class ChannelFacts:
    """A channel that failed `failures` times in a row."""

    name: str
    failures: int
    failing_since: datetime | None
    error: str | None


@dataclass(frozen=True)
class Facts:
    """What the rules look at. None where it could not be had: nothing is then known of that, neither good nor bad.

    Attributes:
        watching_since: since when the rules are evaluated without a gap.
        labelled: names of the files of labelled texts that lie in the inbox, with when they were put there.
        unreachable: stores that did not answer, with the reason.
    """

    now: datetime
    watching_since: datetime
    streaks: Sequence[JobStreak] | None = ()
    last_runs: Sequence[JobRun] | None = ()
    running: Sequence[JobRun] | None = ()
    sources: Sequence[SourceFacts] | None = ()
    upstreams: Sequence[UpstreamFacts] | None = ()
    scores: Sequence[LowScore] | None = ()
    checks: Sequence[BrokenCheck] | None = ()
    channels: Sequence[ChannelFacts] | None = ()
    free_bytes: int | None = None
    labelled: dict[str, datetime] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)
