"""Every source the platform knows: add a source by one import and one line here."""

from pipeline_platform.sources import (
    alpha_vantage,
    bluesky,
    coingecko,
    gdelt,
    github,
    hackernews,
    mastodon,
    newsapi,
    open_meteo,
    openweather,
    reddit,
    rss,
    x,
    yahoo,
)
from pipeline_platform.sources.base import Source, Stream

SOURCES: tuple[Source, ...] = (
    reddit.SOURCE,
    x.SOURCE,
    bluesky.SOURCE,
    mastodon.SOURCE,
    hackernews.SOURCE,
    rss.SOURCE,
    newsapi.SOURCE,
    gdelt.SOURCE,
    github.SOURCE,
    coingecko.SOURCE,
    alpha_vantage.SOURCE,
    yahoo.SOURCE,
    openweather.SOURCE,
    open_meteo.SOURCE,
)


def source_named(name: str) -> Source:
    """The source called `name`; raises KeyError with the known names."""
    for source in SOURCES:
        if source.name == name:
            return source
    known = ", ".join(source.name for source in SOURCES)
    raise KeyError(f"no source is called {name!r}; known sources: {known}")


def all_streams() -> list[tuple[Source, Stream]]:
    """Every stream with its source, in registry order."""
    return [(source, stream) for source in SOURCES for stream in source.streams]
