"""Every source the platform knows: add a source by one import and one line here."""

from pipeline_platform.sources import (
    alpha_vantage,
    coingecko,
    gdelt,
    github,
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
    rss.SOURCE,
    gdelt.SOURCE,
    github.SOURCE,
    alpha_vantage.SOURCE,
    yahoo.SOURCE,
    coingecko.SOURCE,
    openweather.SOURCE,
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
