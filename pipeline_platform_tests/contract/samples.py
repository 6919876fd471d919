"""The samples of a stream as rows of its raw and its cleaned table."""

from datetime import timedelta

import pandas as pd

from pipeline_platform.clean.cleaning import Cleaned, clean
from pipeline_platform.govern.pseudonyms import pseudonymiser
from pipeline_platform.schemas.catalog import cleaned_table, raw_table
from pipeline_platform.sources.base import Fetch, Page, Record, Source, Stream, Window
from pipeline_platform.sources.collect import Collector, Envelope


class _NoClient:
    secrets: tuple[str, ...] = ()


def sample_rows(source: Source, stream: Stream) -> pd.DataFrame:
    """The samples as the collector would hand them to the raw table, an hour after the newest of them."""
    records = [Record(*stream.identify(payload), payload) for payload in stream.sample.payloads]
    moments = [record.event_time for record in records if record.event_time is not None]
    rows: list[Envelope] = []

    page = Page(records, request={"method": "GET", "url": source.base_url, "params": {}}, from_sandbox=True)
    Collector(
        source,
        _showing(stream, page),
        Fetch(
            client=_NoClient(),  # type: ignore[arg-type] # nothing is asked for
            settings=source.settings(),
            window=Window(min(moments), max(moments) + timedelta(hours=1)),
            now=max(moments) + timedelta(hours=1),
        ),
        run_id="sample",
        first_moment=min(moments),
        sandbox=True,
        store=rows.extend,
    ).collect([stream.sample.target])
    return raw_table(source, stream).frame(rows)


def _showing(stream: Stream, page: Page) -> Stream:
    from dataclasses import replace

    return replace(stream, fetch=lambda _fetch, _target: iter([page]))


def cleaned_sample(source: Source, stream: Stream) -> Cleaned:
    """The samples, cleaned."""
    return clean(sample_rows(source, stream), stream, cleaned_table(source, stream), pseudonymiser(b"key"))
