"""GDELT: its titles, its broken JSON and plain-text errors, ranges without pages, and files that may not be there."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.sources import gdelt, gdelt_files
from pipeline_platform.sources.base import Fetch, Page, Stream, Window
from pipeline_platform.sources.client import Response, SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError
from pipeline_platform.sources.gdelt_files import EXPORT, GKG, MENTIONS
from pipeline_platform.sources.gdelt_records import identify_mention, parse_annotation, parse_event, tidy
from pipeline_platform_tests.sources.conftest import START, FakeClock, Upstream

DAY = Window(datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
ARTICLES, EVENTS, *_ = gdelt.SOURCE.streams
streams = {stream.name: stream for stream in gdelt.SOURCE.streams}
Run = Callable[..., list[Page]]


@pytest.fixture
def run(upstream: Upstream, redis_client: redis.Redis, clock: FakeClock, tmp_path: Path) -> Iterator[Run]:
    """The pages of one target, asked from the scripted upstream at 12:00."""
    settings = {"base_url": upstream.url, "files_url": "gdeltv2", "requests_per_minute": 6000}
    with SourceClient(
        gdelt.SOURCE, gdelt.GdeltSettings(**settings), redis=redis_client, cache_path=tmp_path, clock=clock
    ) as client:

        def fetch(stream: Stream, target: str, window: Window = DAY, **more: Any) -> list[Page]:
            changed = gdelt.GdeltSettings(**settings, **more)
            return list(stream.fetch(Fetch(client, changed, window, START), target))

        yield fetch


def asked(upstream: Upstream) -> list[dict[str, str]]:
    return [{name: value[0] for name, value in parse_qs(urlsplit(seen.path).query).items()} for seen in upstream.seen]


def names_asked(upstream: Upstream) -> list[str]:
    return [urlsplit(seen.path).path.rpartition("/")[2] for seen in upstream.seen]


def article(number: int, seen: datetime) -> dict[str, str]:
    return {"url": f"https://a.example/{number}", "title": f"T {number}", "seendate": f"{seen:%Y%m%dT%H%M%SZ}"}


def listing(*articles: dict[str, Any]) -> str:
    return json.dumps({"articles": articles})


def answer(body: bytes, url: str = "https://api.gdeltproject.org/api/v2/doc/doc", status: int = 200) -> Response:
    return Response(status, httpx.Headers(), body, url, {}, from_sandbox=False)


# --- articles ---


@pytest.mark.parametrize(
    ("wire", "language", "title"),
    [
        ("What is in the 10 - point plan ? ", "English", "What is in the 10 - point plan?"),
        ("War live : Lebanon , says Israel ; more", "English", "War live: Lebanon, says Israel; more"),
        ("  Go take your oil : Nato  erupts", "English", "Go take your oil: Nato erupts"),
        ("Pourquoi ? La réponse , ici", "French", "Pourquoi ? La réponse, ici"),
        ("Rates ( again ) at 3 . 5 %", "English", "Rates (again) at 3.5 %"),
        ("イラン 、 「 持続的脅威 」 ＝ＦＢＩ", "Japanese", "イラン、「持続的脅威」＝ＦＢＩ"),
        ("Using .NET &amp; more . . .", "English", "Using .NET & more..."),
        (" \t ", None, None),
    ],
)
def test_titles_are_put_together_again(wire: str, language: str | None, title: str | None) -> None:
    assert tidy(wire, language) == title


def test_an_article_is_a_document() -> None:
    row = ARTICLES.parse(
        {
            "url": "https://a.example/x",
            "title": "A &quot;b&quot; ; c",
            "seendate": "20261122T101500Z",
            "socialimage": "",
            "domain": "a.example",
            "language": "Klingon",
        }
    )
    assert row == {
        "document_id": "gdelt:https://a.example/x",
        "kind": "article",
        "channel": "a.example",
        "title": 'A "b"; c',
        "url": "https://a.example/x",
        "image_url": None,
        "created_at": datetime(2026, 11, 22, 10, 15, tzinfo=UTC),
        "language_declared": None,
    }


@pytest.mark.parametrize("change", [{"url": ""}, {"url": 5}, {"seendate": ""}, {"seendate": None}, {"title": 404}])
def test_a_broken_article_is_no_document(change: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        ARTICLES.parse({**ARTICLES.sample.payloads[0], **change})


def test_two_defects_of_the_json_are_mended_and_lose_nothing() -> None:
    body = b'{"articles":[{"title":"AC\\DC \\"live\\"\ttonight \\u00e9 \\\\ C:\\users"}]}'
    assert gdelt.read_search(answer(body)) == [{"title": 'AC\\DC "live"\ttonight é \\ C:\\users'}]


@pytest.mark.parametrize("body", [b'{"articles":[{"url":"a" "b"}]}', b'{"articles":[{"u', b"{'articles':[]}", b"<p>"])
def test_other_defects_are_not(body: bytes) -> None:
    with pytest.raises(Malformed):
        gdelt.read_search(answer(body))


@pytest.mark.parametrize("body", [b'{"articles":{}}', b'{"error":"x"}', b"null", b"5"])
def test_json_of_another_kind_is_no_empty_answer(body: bytes) -> None:
    assert isinstance(gdelt.diagnose(answer(body)), Malformed)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, "A maximum of 250 records can be returned.", Permanent),
        (200, "Your query was too short or too long.", Permanent),
        (200, "The specified phrase is too short.", Permanent),
        (200, "Queries containing OR'd terms must be surrounded by ().", Permanent),
        (200, "Timespan is too short.", Permanent),
        (200, "Please limit requests to one every 5 seconds or contact us for larger queries.", QuotaExhausted),
        (429, "Please limit requests to one every 5 seconds.", QuotaExhausted),
        (200, "Something else went wrong", Malformed),
        (200, "", gdelt.EmptyBodyError),
        (200, "<html>busy</html>", Malformed),
    ],
)
def test_errors_in_plain_text(status: int, body: str, kind: type[SourceError]) -> None:
    error = gdelt.diagnose(answer(body.encode(), status=status))
    assert type(error) is kind
    assert body[:40] in str(error) or kind is gdelt.EmptyBodyError


@pytest.mark.parametrize("body", [b"{}", b'{"articles":[]}', listing(article(1, START)).encode()])
def test_answers_are_no_errors(body: bytes) -> None:
    assert gdelt.diagnose(answer(body)) is None


def test_a_headline_about_limits_is_no_limit() -> None:
    body = listing({"title": "Please limit requests to one every 5 seconds"}).encode()
    assert gdelt.diagnose(answer(body)) is None
    assert gdelt.diagnose(answer(b'{"message": "slow"}', status=429)) is None


def test_a_lock_out_is_answered_with_silence(upstream: Upstream, run: Run, clock: FakeClock) -> None:
    upstream.reply("Please limit requests to one every 5 seconds.", kind="text/plain")
    for _ in range(3):
        with pytest.raises(QuotaExhausted):
            run(ARTICLES, "bitcoin")
    assert len(upstream.seen) == 1
    clock.advance(gdelt.SILENCE)
    upstream.script = []
    upstream.reply(listing(article(1, START)))
    assert len(run(ARTICLES, "bitcoin")[0].records) == 1


def test_a_search_names_its_range(upstream: Upstream, run: Run) -> None:
    upstream.reply("{}")
    assert [page.records for page in run(ARTICLES, "bitcoin")] == [[]]
    assert asked(upstream) == [
        {
            "query": "bitcoin",
            "mode": "ArtList",
            "format": "json",
            "sort": "DateDesc",
            "maxrecords": "250",
            "startdatetime": "20261122000000",
            "enddatetime": "20261122115959",
        }
    ]


def test_an_empty_body_is_no_match_where_the_search_answers_else(upstream: Upstream, run: Run) -> None:
    upstream.reply("", times=2)
    upstream.reply(listing(article(1, START)))
    assert [page.records for page in run(ARTICLES, "bitcoin")] == [[]]
    assert [request["query"] for request in asked(upstream)] == ["bitcoin", "bitcoin", gdelt.CONTROL]


@pytest.mark.parametrize("control", ["", "{}"])
def test_an_empty_body_is_an_error_where_nothing_is_answered(upstream: Upstream, run: Run, control: str) -> None:
    upstream.reply("", times=2)
    upstream.reply(control)
    with pytest.raises(gdelt.EmptyBodyError):
        run(ARTICLES, "bitcoin")


def test_a_full_answer_is_continued_where_it_ended(upstream: Upstream, run: Run) -> None:
    noon = datetime(2026, 11, 22, 11, 45, tzinfo=UTC)
    full = [article(number, noon - timedelta(minutes=15 * (number // 25))) for number in range(250)]
    upstream.reply(listing(*full))
    upstream.reply(listing(full[-1], article(300, noon - timedelta(hours=9))))
    pages = run(ARTICLES, "bitcoin")
    assert [len(page.records) for page in pages] == [250, 2]
    assert [request["enddatetime"] for request in asked(upstream)] == ["20261122115959", "20261122093000"]


def test_more_than_can_be_had_at_once_is_told(upstream: Upstream, run: Run) -> None:
    moment = datetime(2026, 11, 22, 11, 30, tzinfo=UTC)
    upstream.reply(listing(*(article(number, moment) for number in range(250))), times=2)
    upstream.reply(listing(article(900, moment - timedelta(hours=1))))
    with pytest.raises(Permanent, match=r"2026-11-22 11:30 .*narrower"):
        run(ARTICLES, "the")
    assert [request["enddatetime"] for request in asked(upstream)] == [
        "20261122115959",
        "20261122113000",
        "20261122112959",
    ]


def test_an_answer_in_disorder_cannot_be_continued(upstream: Upstream, run: Run) -> None:
    times = [START - timedelta(minutes=15 * (number % 7 + 1)) for number in range(250)]
    upstream.reply(listing(*(article(number, moment) for number, moment in enumerate(times))))
    with pytest.raises(Malformed, match="order"):
        run(ARTICLES, "bitcoin")


def test_nothing_from_long_ago_may_mean_that_it_is_not_searched(upstream: Upstream, run: Run) -> None:
    spring = Window(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC))
    upstream.reply("{}")
    upstream.reply(listing(article(1, spring.start)))
    with pytest.raises(Permanent, match="three months"):
        run(ARTICLES, "bitcoin", spring)
    assert len(run(ARTICLES, "bitcoin", spring)[0].records) == 1
    with pytest.raises(Permanent, match="2017"):
        run(ARTICLES, "bitcoin", Window(datetime(2016, 1, 1, tzinfo=UTC), datetime(2016, 1, 2, tzinfo=UTC)))


# --- files ---


def archive(*texts: str, name: str = "x.CSV") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for number, text in enumerate(texts):
            made.writestr(f"{number}{name}", text)
    return target.getvalue()


def line(kind: gdelt_files.FileKind, payload: dict[str, str]) -> str:
    return "\t".join(payload.get(column, "") for column in kind.columns) + "\n"


EVENT: dict[str, str] = EVENTS.sample.payloads[0]


def newest(slot: str, digest: str = "0" * 32) -> str:
    names = [f"{slot}.{kind.ending}" for kind in gdelt_files.KINDS]
    return "".join(f"100 {digest} http://data.gdeltproject.org/gdeltv2/{name}\n" for name in names)


def test_columns_are_as_many_as_the_codebooks_say() -> None:
    assert [len(kind.columns) for kind in (EXPORT, MENTIONS, GKG)] == [61, 16, 27]


def test_slots_are_spread_over_each_day() -> None:
    half = Window(datetime(2026, 11, 21, 9, tzinfo=UTC), datetime(2026, 11, 22, 9, tzinfo=UTC))
    assert [f"{slot:%d %H:%M}" for slot in gdelt_files.slots(half, START, 4)] == [
        "21 12:00",
        "21 18:00",
        "22 00:00",
        "22 06:00",
    ]
    assert len(gdelt_files.slots(DAY, START, 96)) == 49
    assert gdelt_files.slots(Window(DAY.end, DAY.end + timedelta(days=1)), START, 96) == []


def test_files_of_a_past_day_are_fetched_and_read(upstream: Upstream, run: Run) -> None:
    before = Window(DAY.start - timedelta(days=1), DAY.start)
    text = line(EXPORT, EVENT) + "1290000002\ttoo\tshort\r\n" + "\n"
    upstream.reply(archive(text), kind="application/zip")
    pages = run(EVENTS, "translingual", before, files_per_day=2)
    assert names_asked(upstream) == [
        "20261121000000.translation.export.CSV.zip",
        "20261121120000.translation.export.CSV.zip",
    ]
    first, broken = pages[0].records
    assert (first.record_id, first.payload) == ("gdelt:event:1290000001", EVENT)
    assert broken.record_id == "gdelt:broken:20261121000000.translation.export.CSV.zip:2"
    assert broken.event_time == before.start
    with pytest.raises(Malformed, match="has 3 columns"):
        parse_event(broken.payload)


def test_what_is_not_published_yet_is_not_asked_for(upstream: Upstream, run: Run) -> None:
    upstream.reply(newest("20261122114500"), kind="text/plain")
    upstream.reply(archive(line(EXPORT, EVENT)), kind="application/zip")
    assert len(run(EVENTS, "english")) == 2
    assert names_asked(upstream) == [
        "lastupdate.txt",
        "20261122000000.export.CSV.zip",
        "20261122060000.export.CSV.zip",
    ]


def test_a_slot_that_was_skipped_is_named(upstream: Upstream, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    before = Window(DAY.start - timedelta(days=1), DAY.start)
    upstream.reply("", status=404)
    upstream.reply(archive(line(EXPORT, EVENT)), kind="application/zip")
    assert len(run(EVENTS, "english", before)) == 3
    assert "20261121000000.export.CSV.zip" in caplog.text


def test_no_file_at_all_is_believed_only_where_the_list_is(upstream: Upstream, run: Run) -> None:
    before = Window(DAY.start - timedelta(days=1), DAY.start)
    upstream.reply("", status=404, times=4)
    upstream.reply(newest("20261122114500"), kind="text/plain")
    assert run(EVENTS, "english", before) == []
    upstream.script = []
    upstream.reply("", status=404)
    with pytest.raises(Permanent, match="404"):
        run(EVENTS, "english", before)


def test_the_newest_file_is_the_one_of_the_list(upstream: Upstream, run: Run) -> None:
    body = archive(line(EXPORT, EVENT))
    upstream.reply(newest("20261122120000", hashlib.md5(body).hexdigest()), kind="text/plain")
    upstream.reply(body, kind="application/zip", times=3)
    upstream.reply(newest("20261122120000"), kind="text/plain")
    upstream.reply(body, kind="application/zip")
    assert len(run(EVENTS, "english")) == 3
    with pytest.raises(Malformed, match="MD5"):
        run(EVENTS, "english")


def test_a_single_file_is_fetched_by_name(upstream: Upstream, run: Run) -> None:
    name = "20150218230000.export.CSV.zip"
    upstream.reply(archive(line(EXPORT, EVENT)), kind="application/zip")
    upstream.reply("", status=404)
    assert len(run(EVENTS, name)[0].records) == 1
    with pytest.raises(Permanent):
        run(EVENTS, name)


@pytest.mark.parametrize(
    "text", ["", newest("20261122120000")[:150], "<html>", "12 abc http://x/y.export.CSV.zip\n" * 3]
)
def test_half_a_list_is_no_list(text: str) -> None:
    with pytest.raises(Malformed):
        gdelt_files.read_list(text)


def zipped(body: bytes) -> Response:
    return answer(body, "http://data.gdeltproject.org/gdeltv2/20261122101500.export.CSV.zip")


def test_archives_are_bounded_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = archive("a\tb\n" * 500)
    assert gdelt_files.unpack(zipped(sound)) == "a\tb\n" * 500
    assert gdelt_files.unpack(zipped(archive("ok"))) == "ok"
    for body in (b"", b"<html>", sound[: len(sound) // 2], archive("a", "b"), archive()):
        assert isinstance(gdelt.diagnose(zipped(body)), Malformed)
    for place in range(40, len(sound) - 120, 7):
        damaged = bytearray(sound)
        damaged[place] ^= 0xFF
        try:
            assert gdelt_files.unpack(zipped(bytes(damaged))) == "a\tb\n" * 500
        except Malformed:
            continue
    monkeypatch.setattr(gdelt_files, "MOST_UNPACKED_BYTES", 1999)
    with pytest.raises(Malformed, match="would unpack to 2000 bytes"):
        gdelt_files.unpack(zipped(sound))


def test_an_archive_that_lies_about_its_size_is_not_unpacked_further() -> None:
    body = archive("x" * 10_000_000)
    place = body.rindex(b"PK\x01\x02") + 24
    lying = body[:place] + (100).to_bytes(4, "little") + body[place + 4 :]
    with pytest.raises(Malformed, match="unpacked"):
        gdelt_files.unpack(zipped(lying))


def test_broken_utf_8_is_replaced_and_odd_line_ends_are_kept() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        made.writestr("x", b"a\xff\x0bb\xe2\x80\xa8c\td\n")
    assert gdelt_files.unpack(zipped(target.getvalue())) == "a\ufffd\x0bb\u2028c\td\n"
    (payload,) = gdelt_files.read_lines("a\x0b\u2028\tb\n", "n", gdelt_files.FileKind("e", ("A", "B")))
    assert payload == {"A": "a\x0b\u2028", "B": "b"}


def test_an_event_may_have_happened_long_before() -> None:
    row = parse_event({**EVENT, "SQLDATE": "20251122"})
    assert (row["happened_on"], row["event_code"], row["added_at"].year) == ("2025-11-22", "043", 2026)
    assert row["country_code"] == "NO"


@pytest.mark.parametrize("column", ["GLOBALEVENTID", "DATEADDED", "EventCode", "EventRootCode"])
def test_an_event_needs_its_columns(column: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        parse_event({name: value for name, value in EVENT.items() if name != column})


@pytest.mark.parametrize(
    "change", [{"SQLDATE": "20261341"}, {"AvgTone": "nan"}, {"QuadClass": "1.5"}, {"DATEADDED": "1"}]
)
def test_an_event_with_broken_values_is_none(change: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        parse_event({**EVENT, **change})


def test_mentions_of_one_sentence_are_told_apart() -> None:
    payload = streams["gdelt_mentions"].sample.payloads[0]
    one, again = identify_mention(payload), identify_mention({**payload, "MentionDocTone": "3"})
    other = identify_mention({**payload, "Actor1CharOffset": "-1"})
    assert one == again
    assert one != other
    with pytest.raises(KeyError):
        streams["gdelt_mentions"].parse({**payload, "MentionType": "9"})


def test_an_annotation_is_read() -> None:
    row = parse_annotation(streams["gdelt_annotations"].sample.payloads[0])
    assert row["title"] == "Gespräche im Hafen"
    assert row["language"] == "deu"
    assert row["themes"] == ["ECON_TRADE", "MARITIME"]
    assert row["places"] == ["Bergen, Hordaland, Norway|NO|60.3833|5.33333"]
    assert (row["tone"], row["positive_pct"], row["negative_pct"], row["words"]) == (1.5, 3.5, 2.0, 400)


def test_a_citation_has_no_address_and_a_place_may_hold_the_separator() -> None:
    sample = streams["gdelt_annotations"].sample.payloads[0]
    row = parse_annotation({**sample, "V2SOURCECOLLECTIONIDENTIFIER": "2", "V1LOCATIONS": "4#Pier #7, X#NO#NO1#1#2#3"})
    assert (row["url"], row["places"]) == (None, ["Pier #7, X|NO|1|2"])


# --- settings ---


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"queries": ["ab"]}, "PIPELINE_GDELT__QUERIES.*three letters"),
        ({"queries": ["war OR peace"]}, "PIPELINE_GDELT__QUERIES.*parentheses"),
        ({"files_per_day": 7}, "PIPELINE_GDELT__FILES_PER_DAY.*does not divide"),
        ({"files": ["20150218230000.zip"]}, "PIPELINE_GDELT__FILES.*must end in"),
        ({"editions": ["klingon"]}, "english"),
    ],
)
def test_settings_say_what_is_wrong(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        gdelt.GdeltSettings(**settings)


def test_each_stream_takes_its_files() -> None:
    settings = gdelt.GdeltSettings(editions=["translingual"], files=["a.export.CSV.zip", "a.gkg.csv.zip"])
    assert streams["gdelt_events"].targets(settings) == ["translingual", "a.export.CSV.zip"]
    assert streams["gdelt_mentions"].targets(settings) == ["translingual"]
    assert streams["gdelt_annotations"].targets(settings) == ["translingual", "a.gkg.csv.zip"]


# --- anything at all ---

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NAMES = st.sampled_from(
    [*EXPORT.columns[:3], *MENTIONS.columns, *GKG.columns, *ARTICLES.sample.payloads[0], "content", "file", "line"]
)
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5))


@given(stream=st.sampled_from(gdelt.SOURCE.streams), payload=ANYTHING, data=st.data())
def test_whatever_comes_is_read_or_refused(stream: Stream, payload: Any, data: st.DataObject) -> None:
    sample = dict(stream.sample.payloads[0])
    sample[data.draw(st.sampled_from(sorted(sample)))] = data.draw(LEAVES)
    for one in (payload, sample):
        for reading in (stream.identify, stream.parse):
            try:
                reading(one)
            except (*UNREADABLE, SourceError):
                continue


@given(
    body=st.binary(max_size=200) | ANYTHING.map(lambda value: json.dumps(value).encode()),
    status=st.sampled_from([200, 404, 429, 500]),
    ending=st.sampled_from(["doc/doc", "lastupdate.txt", "1.gkg.csv.zip"]),
)
def test_whatever_is_answered_is_diagnosed(body: bytes, status: int, ending: str) -> None:
    error = gdelt.diagnose(answer(body, f"https://x.example/{ending}?query=a", status))
    assert error is None or isinstance(error, SourceError)
