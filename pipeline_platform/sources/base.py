"""What a source declares. A source is one file that ends in `SOURCE = Source(...)` and one line in `SOURCES`.

Raw and cleaned assets, quarantine, checks, schedule, pool, contract tests, docs row and sandbox endpoint all follow
from this declaration; nothing else in the platform names a source.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from pipeline_platform.sources.errors import SourceError

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response, SourceClient

Kind = Literal[
    "documents",
    "market_bars",
    "weather_observations",
    "weather_forecasts",
    "repositories",
    "repo_events",
    "trending",
    "market_actions",
    "contributions",
    "news_events",
    "news_mentions",
    "news_annotations",
]
Domain = Literal["social", "news", "market", "weather", "developer"]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; write it as Europe/Berlin") from None
    return name


TimeZoneName = Annotated[str, AfterValidator(_known_zone)]
"""A name of the time zone database."""


class SourceSettings(BaseModel):
    """Settings every source has, read from `PIPELINE_<SOURCE>__*`; a source adds credentials and watch lists.

    Credentials are `SecretStr | None`; watch lists are lists (given as JSON in the environment).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(True, description="Fetch this source at all.")
    base_url: str | None = Field(None, description="Another address of the API: a proxy, an enterprise server.")
    cadence: str | None = Field(None, description="Cron expression of the schedule; the source's own if unset.")
    cadences: dict[str, str] = Field(
        {},
        description='Cron expressions of streams with a schedule of their own: {"x_trends": "0 6 * * *"}.',
    )
    time_zone: TimeZoneName = Field("UTC", description="Time zone of these expressions, as Europe/Berlin.")
    paused: bool = Field(False, description="Skip the ticks of its schedules; it is fetched only when somebody asks.")
    lookback_days: int | None = Field(None, ge=1, le=365, description="Days each scheduled fetch asks for again.")
    requests_per_minute: int | None = Field(None, ge=1, description="Overrides the request budget of the source.")
    requests_per_day: int | None = Field(None, ge=1, description="Overrides its daily quota, as paid plans have more.")

    @field_validator("cadence", "cadences")
    @classmethod
    def _are_crons(cls, given: str | dict[str, str] | None) -> str | dict[str, str] | None:
        for cron in given.values() if isinstance(given, dict) else [given] if given else []:
            try:
                CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC))
            except CronSimError:
                raise ValueError(f"{cron!r} is no cron expression; write it as */15 * * * *") from None
        return given


S = TypeVar("S", bound=SourceSettings)


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time `[start, end)`, both aware and in UTC."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


@dataclass(frozen=True, slots=True)
class Record:
    """One thing the upstream showed us.

    `record_id` is readable and stable (`reddit:t3_abc123`); None when the item is too broken to tell, then the
    platform names it by its hash. `event_time` is aware UTC, None when unknown. `payload` is the item as received.
    One record becomes exactly one row of the cleaned table or one row of the quarantine.
    """

    record_id: str | None
    event_time: datetime | None
    payload: Any


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one response, with the request that gave them (no secrets).

    `left` is what of the window is still to come after this page; a fetch that fails later owes no more than that. None
    where pages do not follow time: then all of it is owed.
    """

    records: list[Record]
    request: Mapping[str, Any] = field(default_factory=dict)
    from_sandbox: bool = False
    left: Window | None = None

    @classmethod
    def of(cls, response: "Response", records: list[Record], left: Window | None = None) -> "Page":
        """The page of `response`, described by its redacted request."""
        return cls(records=records, request=response.request, from_sandbox=response.from_sandbox, left=left)


@dataclass(frozen=True, slots=True)
class Fetch(Generic[S]):
    """What a stream's `fetch` works with: the client with its policy, the settings, the window and the time now."""

    client: "SourceClient"
    settings: S
    window: Window
    now: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """A record that we hold: its id, its event time, and the payload as last received."""

    record_id: str
    event_time: datetime
    payload: Any


Recheck = Callable[[Fetch[Any], Sequence[Known]], Iterator[Page]]


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret the source needs: the field of its settings, and how a person gets one."""

    setting: str
    how: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Budget:
    """How often the upstream may be asked: `requests` per `per_seconds`, at most `daily` a UTC day."""

    requests: int
    per_seconds: float
    daily: int | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """Requests of one kind, counted apart: at most `daily` a UTC day, because they cost money beyond it."""

    name: str
    daily: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A small example of a stream: the target that was asked for, and record payloads we wrote ourselves."""

    target: str
    payloads: Sequence[Any]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One raw table of a source and how to fill it.

    Attributes:
        name: table name, `<source>_<noun>`; the assets are `raw/<name>` and `cleaned/<name>`.
        kind: canonical kind, and so the schema of the cleaned table.
        history: `replayable` when the upstream accepts a time range, `now_only` when it shows only the present.
        lookback_days: days that a scheduled fetch asks for again (late records, changed counters).
        targets: what to ask for, from the settings: subreddits, feeds, coins, places. One dead letter per target.
        fetch: yields pages of one target; raises a `SourceError`, never returns an error as an empty page. Raises
            `NotDue` where the target is left for a later fetch.
        identify: `(payload) -> (record_id, event_time)`; used by fetch and by the contract tests.
        parse: `(payload) -> row` of the canonical kind; raises KeyError, TypeError or ValueError for a broken payload.
        sample: feeds docs and contract tests.
        fields: where each column comes from: paths in the payload, `data.title`, several joined by ` | `, items of
            lists as `urls[].expanded_url`; a path stands for all below it. Words in parentheses, `(always article)`,
            say what is constant or computed. What no path names is counted as unmapped, and stays in raw.
        recheck: yields the records as the upstream shows them now, those it removed with a payload that says so; what
            was deleted there is deleted here by it. Given records that were not received for a day.
        recheck_days: how many days back records are checked again.
        recheck_most: how many records a fetch checks at most, from the settings; for upstreams that charge for them.
        max_pages: pages of one target after which a pagination counts as endless; a function where a longer window
            honestly needs more.
        opt_in: the setting that is empty by default, and turns the stream on when it is filled: for what costs money.
    """

    name: str
    kind: Kind
    description: str
    history: Literal["replayable", "now_only"]
    lookback_days: int
    targets: Callable[[Any], Sequence[str]]
    fetch: Callable[[Fetch[Any], str], Iterator[Page]]
    identify: Callable[[Any], tuple[str, datetime | None]]
    parse: Callable[[Any], dict[str, Any]]
    sample: Sample
    fields: Mapping[str, str]
    recheck: Recheck | None = None
    recheck_days: int = 0
    recheck_most: Callable[[Any], int] | None = None
    max_pages: int | Callable[[Fetch[Any]], int] = 200
    opt_in: str | None = None


def no_diagnosis(_response: "Response") -> SourceError | None:
    """The default of `Source.diagnose`: trust the status line."""
    return None


@dataclass(frozen=True, kw_only=True)
class Source:
    """An upstream.

    Attributes:
        name: lower case with underscores; its settings are `PIPELINE_<NAME>__*`, its pool is `<name>`.
        terms: what may be kept, what must be deleted when the upstream deletes it, attribution.
        base_url: address of the live API.
        budget, cadence: how often it may be asked, and the cron expression of its schedule (UTC).
        concurrency: how many targets of a stream are asked at the same time, within the budget.
        diagnose: looks at every response and may name an error the status line hides (an error with status 200,
            a 403 that is a rate limit); None means the usual reading of the status applies.
    """

    name: str
    title: str
    domain: Domain
    homepage: str
    api_docs: str
    licence: str
    terms: str
    base_url: str
    credentials: tuple[Credential, ...]
    budget: Budget
    cadence: str
    settings: type[SourceSettings]
    streams: tuple[Stream, ...]
    concurrency: int = 1
    diagnose: Callable[["Response"], SourceError | None] = no_diagnosis
