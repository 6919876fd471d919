"""The canonical kinds: what a cleaned row of each kind looks like, whatever source it came from.

`parse` of a stream returns a dict with the columns of its kind, less those that the platform fills in for every kind
(`PLATFORM_COLUMNS`). `author` is given as the raw name or id and leaves this doorway only as a keyed pseudonym.
"""

from dataclasses import dataclass

import pandas as pd
import pandera.pandas as pa

from pipeline_platform.schemas.columns import (
    above,
    at_least,
    between,
    day,
    flag,
    integer,
    not_blank,
    one_of,
    real,
    stamp,
    text,
    texts,
)
from pipeline_platform.sources.base import Kind

CLOCK_SKEW = pd.Timedelta(minutes=10)
"""How far an upstream's clock may run ahead of ours before an event counts as lying in the future."""

DOCUMENT_KINDS = ("post", "comment", "tweet", "article", "story", "issue")
ASSET_CLASSES = ("crypto", "equity", "index", "currency", "fund", "commodity")
VOLUME_UNITS = ("shares", "contracts", "coins", "currency")
"""What a volume counts: pieces of what is traded, or its value in the currency of the prices."""
BAR_INTERVALS = ("1m", "5m", "15m", "30m", "1h", "4h", "4d", "1d", "1w")
EVENT_TYPES = (
    "commit",
    "pull_request",
    "issue",
    "star",
    "release",
    "fork",
    "push",
    "comment",
    "review",
    "notice",
    "other",
)
"""`notice`: a feed tells of a pull request, issue, star or release, which has a row of its own; not to be counted."""

ACTION_TYPES = ("dividend", "split", "capital_gain")
MENTION_TYPES = ("web", "citation", "core", "dtic", "jstor", "non_textual")

PLATFORM_COLUMNS = ("source", "stream", "fetched_at", "event_date")
"""Filled in from the raw envelope, for every kind."""


def _platform() -> dict[str, pa.Column]:
    return {
        "source": text("Source the row came from."),
        "stream": text("Stream (raw table) the row came from."),
        "fetched_at": stamp("When the newest capture of the record was received."),
        "event_date": day(),
    }


def not_in_future(column: str) -> pa.Check:
    """`column` is not later than the moment the record was received, give or take clock skew."""
    return pa.Check(
        lambda frame: frame[column] <= frame["fetched_at"] + CLOCK_SKEW,
        name=f"{column}_not_in_future",
        error=f"{column} must not lie after the moment the record was received",
    )


def has_title_or_text(frame: pd.DataFrame) -> pd.Series:
    """True where the title or the text has a visible character."""
    title, text = ((frame[name].str.strip().str.len() > 0).fillna(False) for name in ("title", "text"))
    return title | text | frame["is_deleted"]


def _score_not_negative(frame: pd.DataFrame) -> pd.Series:
    return ((frame["score"] >= 0) | (frame["kind"] == "comment")).fillna(True)


def _volume_has_unit(frame: pd.DataFrame) -> pd.Series:
    return frame["volume"].isna() | frame["volume_unit"].notna()


def _low_is_lowest(frame: pd.DataFrame) -> pd.Series:
    return ((frame["low"] <= frame["open"]) & (frame["low"] <= frame["close"])).fillna(True)


def _high_is_highest(frame: pd.DataFrame) -> pd.Series:
    return ((frame["high"] >= frame["open"]) & (frame["high"] >= frame["close"])).fillna(True)


DOCUMENTS: dict[str, pa.Column] = {
    "document_id": text("Readable id, `reddit:t3_abc123`; the record id of the raw row.", not_blank()),
    "kind": text("What sort of document.", one_of(DOCUMENT_KINDS, "known_kind")),
    "channel": text("Where it was said: subreddit, feed, repository.", nullable=True),
    "author_id": text("Keyed pseudonym of the author, never the name.", nullable=True),
    "title": text("Title, plain text.", nullable=True),
    "text": text("Body, plain text without markup.", nullable=True),
    "url": text("Address of the document.", nullable=True),
    "canonical_url": text("`url` without tracking parameters, fragment and needless differences.", nullable=True),
    "image_url": text("Address of the main picture.", nullable=True),
    "category": text("Category given by the upstream: flair, section, first tag or label.", nullable=True),
    "created_at": stamp("When the author published it."),
    "language_declared": text("Language the upstream declares, BCP 47.", nullable=True),
    "score": integer("Votes as shown by the upstream.", unit="votes"),
    "replies": integer("Replies or comments.", at_least(0, "replies_not_negative"), unit="documents"),
    "shares": integer("Shares, reposts or forwards.", at_least(0, "shares_not_negative"), unit="shares"),
    "likes": integer("Likes.", at_least(0, "likes_not_negative"), unit="likes"),
    "views": integer("Views.", at_least(0, "views_not_negative"), unit="views"),
    "quotes": integer("Posts that quote it.", at_least(0, "quotes_not_negative"), unit="documents"),
    "bookmarks": integer("Accounts that saved it.", at_least(0, "bookmarks_not_negative"), unit="accounts"),
    "is_deleted": flag("The upstream says the author or a moderator removed it."),
    "is_adult": flag("The upstream marks it as adult content."),
    "content_hash": text("Hash of the normalised title and text; equal for equal documents.", not_blank()),
    **_platform(),
}
DOCUMENT_RULES = (
    pa.Check(has_title_or_text, name="title_or_text", error="title and text are both blank"),
    pa.Check(_score_not_negative, name="score_not_negative", error="only comments may have a negative score"),
    not_in_future("created_at"),
)

MARKET_BARS: dict[str, pa.Column] = {
    "bar_id": text("Readable id, `coingecko:bitcoin:usd:1d:2026-11-22`.", not_blank()),
    "symbol": text("Symbol as the source names the asset.", not_blank()),
    "asset_class": text("What is traded.", one_of(ASSET_CLASSES, "known_asset_class")),
    "interval": text("Length of the bar.", one_of(BAR_INTERVALS, "known_interval")),
    "opened_at": stamp("Start of the bar."),
    "open": real("First price.", above(0, "price_positive"), unit="currency"),
    "high": real("Highest price.", above(0, "price_positive"), unit="currency"),
    "low": real("Lowest price.", above(0, "price_positive"), unit="currency"),
    "close": real("Last price.", above(0, "price_positive"), unit="currency", nullable=False),
    "volume": real(
        "Traded volume of the bar; where it has only a close, as those of CoinGecko, that of the 24 h before.",
        at_least(0, "volume_not_negative"),
        unit="as in volume_unit",
    ),
    "volume_unit": text(
        "What the volume counts; `currency` is that of the prices.",
        one_of(VOLUME_UNITS, "known_volume_unit"),
        nullable=True,
    ),
    "market_cap": real("Market capitalisation.", at_least(0, "market_cap_not_negative"), unit="currency"),
    "currency": text("ISO 4217 or crypto code of the prices, upper case.", not_blank()),
    "adjusted_close": real("Close adjusted for splits and dividends.", above(0, "price_positive"), unit="currency"),
    **_platform(),
}
MARKET_RULES = (
    pa.Check(_low_is_lowest, name="ohlc_low", error="low lies above open or close"),
    pa.Check(_high_is_highest, name="ohlc_high", error="high lies below open or close"),
    pa.Check(_volume_has_unit, name="volume_has_unit", error="the unit of the volume is missing"),
    not_in_future("opened_at"),
)

MARKET_ACTIONS: dict[str, pa.Column] = {
    "action_id": text("Readable id, `yahoo:AAPL:dividend:2026-11-10`.", not_blank()),
    "symbol": text("Symbol as the source names the asset.", not_blank()),
    "action_type": text("What happened.", one_of(ACTION_TYPES, "known_action_type")),
    "amount": real("Paid per share; null for splits.", above(0, "amount_positive"), unit="currency"),
    "ratio": real("Shares after a split per share before it; null otherwise.", above(0, "ratio_positive")),
    "currency": text("ISO 4217 code of the amount, upper case.", nullable=True),
    "occurred_at": stamp("First moment of trading without the dividend, or with the split (ex-date)."),
    **_platform(),
}
MARKET_ACTION_RULES = (not_in_future("occurred_at"),)


def _weather() -> dict[str, pa.Column]:
    return {
        "location": text("Place name as watched.", not_blank()),
        "country": text("ISO 3166-1 alpha-2 code.", nullable=True),
        "lat": real("Latitude.", between(-90, 90, "latitude_in_range"), unit="degrees", nullable=False),
        "lon": real("Longitude.", between(-180, 180, "longitude_in_range"), unit="degrees", nullable=False),
        "temperature_c": real("Air temperature.", between(-95, 65, "temperature_plausible"), unit="°C", nullable=False),
        "feels_like_c": real("Perceived temperature.", between(-110, 80, "temperature_plausible"), unit="°C"),
        "pressure_hpa": real("Pressure at sea level.", between(850, 1100, "pressure_plausible"), unit="hPa"),
        "humidity_pct": real("Relative humidity.", between(0, 100, "percent"), unit="%"),
        "wind_speed_mps": real("Wind speed.", between(0, 120, "wind_plausible"), unit="m/s"),
        "wind_gust_mps": real("Gusts.", between(0, 150, "wind_plausible"), unit="m/s"),
        "wind_direction_deg": real("Direction the wind comes from.", between(0, 360, "degrees"), unit="degrees"),
        "clouds_pct": real("Cloud cover.", between(0, 100, "percent"), unit="%"),
        "visibility_m": real("Visibility.", at_least(0, "visibility_not_negative"), unit="m"),
        "condition": text("Main condition: Clear, Clouds, Rain, Snow, …", nullable=True),
        "condition_code": integer("Condition code of the upstream."),
    }


WEATHER_OBSERVATIONS: dict[str, pa.Column] = {
    "observation_id": text("Readable id, `openweather:52.52,13.41:2026-11-22T10:00:00Z`.", not_blank()),
    **_weather(),
    "observed_at": stamp("When it was measured."),
    "rain_1h_mm": real("Rain of the last hour; 0 when dry.", at_least(0, "rain_not_negative"), unit="mm"),
    "snow_1h_mm": real("Snow of the last hour; 0 when none.", at_least(0, "snow_not_negative"), unit="mm"),
    **_platform(),
}
WEATHER_OBSERVATION_RULES = (not_in_future("observed_at"),)

WEATHER_FORECASTS: dict[str, pa.Column] = {
    "forecast_id": text("Readable id: source, place, issue time and valid time.", not_blank()),
    **_weather(),
    "issued_at": stamp("When the forecast was received, to the hour; its event time."),
    "valid_at": stamp("The moment it is for."),
    "rain_3h_mm": real("Rain of the three hours; 0 when dry.", at_least(0, "rain_not_negative"), unit="mm"),
    "snow_3h_mm": real("Snow of the three hours; 0 when none.", at_least(0, "snow_not_negative"), unit="mm"),
    "precipitation_probability": real("Probability of precipitation.", between(0, 1, "probability")),
    **_platform(),
}
WEATHER_FORECAST_RULES = (not_in_future("issued_at"),)

REPOSITORIES: dict[str, pa.Column] = {
    "snapshot_id": text("Readable id, `github:owner/name:2026-11-22`.", not_blank()),
    "repository": text("`owner/name`.", not_blank()),
    "description": text("What the repository says it is.", nullable=True),
    "language": text("Main programming language.", nullable=True),
    "licence": text("SPDX id.", nullable=True),
    "topics": texts("Topics.", nullable=True),
    "stars": integer("Stargazers.", at_least(0, "counter_not_negative"), unit="accounts", nullable=False),
    "forks": integer("Forks.", at_least(0, "counter_not_negative"), unit="repositories", nullable=False),
    "watchers": integer("Subscribers.", at_least(0, "counter_not_negative"), unit="accounts"),
    "open_issues": integer("Open issues and pull requests.", at_least(0, "counter_not_negative"), unit="issues"),
    "size_kb": integer("Size.", at_least(0, "counter_not_negative"), unit="kB"),
    "is_fork": flag("It is a fork."),
    "is_archived": flag("It is archived."),
    "repository_created_at": stamp("When it was created.", nullable=True),
    "pushed_at": stamp("Last push; null when empty.", nullable=True),
    "observed_at": stamp("When it was observed."),
    **_platform(),
}
REPOSITORY_RULES = (not_in_future("observed_at"),)

REPO_EVENTS: dict[str, pa.Column] = {
    "event_id": text("Readable id, `github:owner/name:commit:<sha>`.", not_blank()),
    "repository": text("`owner/name`.", not_blank()),
    "event_type": text("What happened.", one_of(EVENT_TYPES, "known_event_type")),
    "author_id": text("Keyed pseudonym of the author, never the name.", nullable=True),
    "title": text("Title of it or of what it is about; first line of the commit message.", nullable=True),
    "text": text("Body.", nullable=True),
    "url": text("Address.", nullable=True),
    "number": integer("Number of the issue or pull request.", above(0, "number_positive")),
    "state": text("open, closed, merged; of a release published, prerelease; of a feed the action.", nullable=True),
    "labels": texts("Labels.", nullable=True),
    "comments": integer("Comments.", at_least(0, "counter_not_negative"), unit="comments"),
    "occurred_at": stamp("When it happened: commit date, creation of the issue or pull request, publication."),
    "updated_at": stamp("Last change.", nullable=True),
    "closed_at": stamp("When it was closed or merged.", nullable=True),
    **_platform(),
}
REPO_EVENT_RULES = (not_in_future("occurred_at"),)

TRENDING: dict[str, pa.Column] = {
    "trend_id": text("Readable id: source, list, day and name.", not_blank()),
    "list_name": text("Which list: a place, a language, a topic.", not_blank()),
    "rank": integer("Place in the list, 1 is first.", above(0, "rank_positive"), nullable=False),
    "name": text("What is trending: a repository, a coin, a hashtag.", not_blank()),
    "volume": real("Strength as the upstream gives it: stars, posts, searches.", at_least(0, "volume_not_negative")),
    "url": text("Address.", nullable=True),
    "observed_at": stamp("When the list was observed."),
    **_platform(),
}
TRENDING_RULES = (not_in_future("observed_at"),)

CONTRIBUTIONS: dict[str, pa.Column] = {
    "contribution_id": text("Readable id: source, repository, number of the account, week.", not_blank()),
    "repository": text("`owner/name`.", not_blank()),
    "author_id": text("Keyed pseudonym of the contributor, never the name.", nullable=True),
    "week_at": stamp("Start of the week, Sunday 00:00."),
    "commits": integer("Commits of the week.", at_least(0, "counter_not_negative"), unit="commits", nullable=False),
    "additions": integer("Lines added.", at_least(0, "counter_not_negative"), unit="lines"),
    "deletions": integer("Lines removed.", at_least(0, "counter_not_negative"), unit="lines"),
    **_platform(),
}
CONTRIBUTION_RULES = (not_in_future("week_at"),)


def _place() -> dict[str, pa.Column]:
    return {
        "place": text("Place as the upstream writes it.", nullable=True),
        "country_code": text("FIPS 10-4 code of the country, which is not ISO 3166.", nullable=True),
        "lat": real("Latitude.", between(-90, 90, "latitude_in_range"), unit="degrees"),
        "lon": real("Longitude.", between(-180, 180, "longitude_in_range"), unit="degrees"),
    }


NEWS_EVENTS: dict[str, pa.Column] = {
    "news_event_id": text("Readable id, `gdelt:event:1234567890`.", not_blank()),
    "event_code": text("CAMEO code of what happened; leading zeros count.", not_blank()),
    "root_code": text("First two digits of the code.", not_blank()),
    "quad_class": integer(
        "1 verbal cooperation, 2 material, 3 verbal conflict, 4 material.", between(1, 4, "quad_class")
    ),
    "actor1": text("Who acts.", nullable=True),
    "actor1_country": text("CAMEO country code of the first actor.", nullable=True),
    "actor2": text("Who is acted upon.", nullable=True),
    "actor2_country": text("CAMEO country code of the second actor.", nullable=True),
    "goldstein": real("Goldstein scale, from conflict to cooperation.", between(-10, 10, "goldstein_in_range")),
    "tone": real("Mean tone of the articles.", between(-100, 100, "tone_in_range")),
    "mentions": integer("Mentions in the first 15 minutes.", at_least(0, "counter_not_negative"), unit="mentions"),
    "sources": integer("Sources of those.", at_least(0, "counter_not_negative"), unit="sources"),
    "articles": integer("Articles of those.", at_least(0, "counter_not_negative"), unit="documents"),
    **_place(),
    "happened_on": text("Day of the event as the upstream gives it, `2026-11-22`; may be years off.", nullable=True),
    "url": text("First article that told of it.", nullable=True),
    "added_at": stamp("When the upstream added it, to 15 minutes."),
    **_platform(),
}
NEWS_EVENT_RULES = (not_in_future("added_at"),)

NEWS_MENTIONS: dict[str, pa.Column] = {
    "mention_id": text("Readable id: source, event, time, hash of the place in the document.", not_blank()),
    "news_event_id": text("The event, as in `news_events`.", not_blank()),
    "mention_type": text("Where it is mentioned.", one_of(MENTION_TYPES, "known_mention_type")),
    "publisher": text("Name of the publication.", nullable=True),
    "url": text("Address or other identifier of the document.", nullable=True),
    "sentence": integer("Sentence of the document, 1 is first.", above(0, "sentence_positive")),
    "confidence_pct": real("Confidence of the extraction.", between(0, 100, "percent"), unit="%"),
    "tone": real("Tone of the document.", between(-100, 100, "tone_in_range")),
    "event_added_at": stamp("When the event was first added.", nullable=True),
    "mentioned_at": stamp("When it was mentioned, to 15 minutes."),
    **_platform(),
}
NEWS_MENTION_RULES = (not_in_future("mentioned_at"),)

NEWS_ANNOTATIONS: dict[str, pa.Column] = {
    "annotation_id": text("Readable id, `gdelt:gkg:20261122101500-7`.", not_blank()),
    "url": text("Address of the document.", nullable=True),
    "publisher": text("Name of the publication.", nullable=True),
    "title": text("Title of the page.", nullable=True),
    "language": text("ISO 639-3 code of a translated document; null when it was read as English.", nullable=True),
    "tone": real("Percentage of positive words less that of negative ones.", between(-100, 100, "tone_in_range")),
    "positive_pct": real("Positive words.", between(0, 100, "percent"), unit="%"),
    "negative_pct": real("Negative words.", between(0, 100, "percent"), unit="%"),
    "words": integer("Words of the document.", at_least(0, "counter_not_negative"), unit="words"),
    "themes": texts("Distinct themes, as `ECON_STOCKMARKET`, sorted.", nullable=True),
    "persons": texts("Distinct persons named, sorted.", nullable=True),
    "organisations": texts("Distinct organisations named, sorted.", nullable=True),
    "places": texts("Distinct places named, `full name|country|lat|lon`, sorted.", nullable=True),
    "image_url": text("Address of the main picture.", nullable=True),
    "annotated_at": stamp("When the document was seen, to 15 minutes."),
    **_platform(),
}
NEWS_ANNOTATION_RULES = (not_in_future("annotated_at"),)


@dataclass(frozen=True)
class KindSchema:
    """Columns and frame-wide rules of a kind, its key, and the column that tells the event time."""

    columns: dict[str, pa.Column]
    rules: tuple[pa.Check, ...]
    key: str
    event_time: str
    description: str


KINDS: dict[Kind, KindSchema] = {
    "documents": KindSchema(
        DOCUMENTS, DOCUMENT_RULES, "document_id", "created_at", "Posts, comments, articles, stories and issues."
    ),
    "market_bars": KindSchema(MARKET_BARS, MARKET_RULES, "bar_id", "opened_at", "Prices and volumes per interval."),
    "weather_observations": KindSchema(
        WEATHER_OBSERVATIONS, WEATHER_OBSERVATION_RULES, "observation_id", "observed_at", "Measured weather."
    ),
    "weather_forecasts": KindSchema(
        WEATHER_FORECASTS, WEATHER_FORECAST_RULES, "forecast_id", "issued_at", "Forecast weather."
    ),
    "repositories": KindSchema(
        REPOSITORIES, REPOSITORY_RULES, "snapshot_id", "observed_at", "Daily counters of repositories."
    ),
    "repo_events": KindSchema(
        REPO_EVENTS, REPO_EVENT_RULES, "event_id", "occurred_at", "Commits, pull requests, issues, stars, releases."
    ),
    "trending": KindSchema(TRENDING, TRENDING_RULES, "trend_id", "observed_at", "Ranked lists of what is popular."),
    "market_actions": KindSchema(
        MARKET_ACTIONS, MARKET_ACTION_RULES, "action_id", "occurred_at", "Dividends and splits."
    ),
    "contributions": KindSchema(
        CONTRIBUTIONS, CONTRIBUTION_RULES, "contribution_id", "week_at", "Work of contributors per week."
    ),
    "news_events": KindSchema(
        NEWS_EVENTS, NEWS_EVENT_RULES, "news_event_id", "added_at", "Events that articles tell of, coded by CAMEO."
    ),
    "news_mentions": KindSchema(
        NEWS_MENTIONS, NEWS_MENTION_RULES, "mention_id", "mentioned_at", "Documents that mention an event."
    ),
    "news_annotations": KindSchema(
        NEWS_ANNOTATIONS,
        NEWS_ANNOTATION_RULES,
        "annotation_id",
        "annotated_at",
        "What an upstream found in articles: themes, tone, people, places.",
    ),
}
