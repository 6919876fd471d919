"""Entries of feeds: every format, missing and repeated ids, dates, links, texts, pictures, languages, wrong types."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from pipeline_platform.schemas.kinds import KINDS, PLATFORM_COLUMNS
from pipeline_platform.sources import rss, rss_records
from pipeline_platform.sources.errors import Malformed
from pipeline_platform.sources.feeds import read_feed

URL = "https://news.example/feeds/all.xml"


def rss_2(items: str, channel: str = "") -> bytes:
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{channel}{items}</channel></rss>'.encode()


def rows_of(body: bytes, content_type: str = "", url: str = URL) -> list[dict[str, Any]]:
    records = rss_records.records_of(read_feed(body, url=url, content_type=content_type), "all")
    return [rss_records.parse(orjson.loads(orjson.dumps(record.payload))) for record in records]


def row_of(body: bytes, content_type: str = "", url: str = URL) -> dict[str, Any]:
    (row,) = rows_of(body, content_type, url)
    return row


FORMATS = {
    "RSS 2.0": """<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>T</title><item>
        <guid isPermaLink="false">7</guid><title>Fish &amp;amp; chips</title><link>https://news.example/7</link>
        <description>&lt;p&gt;Warm.&lt;/p&gt;&lt;p&gt;Crisp.&lt;/p&gt;</description><dc:creator>Ann</dc:creator>
        <category>Food</category><pubDate>Sun, 22 Nov 26 11:00:00 +0100</pubDate></item></channel></rss>""",
    "RSS 1.0": """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
        xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="c"><title>T</title></channel>
        <item rdf:about="7"><title>Fish &amp; chips</title><link>https://news.example/7</link>
        <description>&lt;p&gt;Warm.&lt;/p&gt;&lt;p&gt;Crisp.&lt;/p&gt;</description><dc:creator>Ann</dc:creator>
        <dc:subject>Food</dc:subject><dc:date>2026-11-22T10:00:00Z</dc:date></item></rdf:RDF>""",
    "Atom 1.0": """<feed xmlns="http://www.w3.org/2005/Atom"><author><name>Ann</name></author><entry><id>7</id>
        <title type="html">Fish &amp;amp; chips</title><link href="https://news.example/7"/><category term="Food"/>
        <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Warm.</p><p>Crisp.</p></div></content>
        <published>2026-11-22T10:00:00Z</published><updated>2026-11-22T11:30:00Z</updated></entry></feed>""",
    "Atom 0.3": """<feed version="0.3" xmlns="http://purl.org/atom/ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">
        <entry><id>7</id><title>Fish &amp; chips</title><link rel="alternate" href="https://news.example/7"/>
        <author><name>Ann</name></author><dc:subject>Food</dc:subject><issued>2026-11-22T10:00:00Z</issued>
        <content type="text/html" mode="base64">PHA+V2FybS48L3A+PHA+Q3Jpc3AuPC9wPg==</content></entry></feed>""",
    "JSON Feed 1.1": json.dumps(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": "T",
            "items": [
                {
                    "id": 7,
                    "url": "https://news.example/7",
                    "title": "Fish &amp; chips",
                    "content_html": "<p>Warm.</p><p>Crisp.</p>",
                    "authors": [{"name": "Ann"}, {"name": "Bob"}],
                    "tags": ["Food"],
                    "date_published": "2026-11-22T11:00:00+01:00",
                }
            ],
        }
    ),
    "JSON Feed 1.0": json.dumps(
        {
            "version": "https://jsonfeed.org/version/1",
            "author": {"name": "Ann"},
            "items": [
                {
                    "id": "7",
                    "external_url": "https://news.example/7",
                    "title": "Fish & chips",
                    "content_text": "Warm.\n\nCrisp.",
                    "tags": ["Food"],
                    "date_modified": "2026-11-22T10:00:00Z",
                }
            ],
        }
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_the_same_story(name: str) -> None:
    row = row_of(FORMATS[name].encode())

    assert row["document_id"] == "rss:all:7"
    assert (row["title"], row["text"]) == ("Fish & chips", "Warm.\nCrisp.")
    assert (row["url"], row["author"], row["category"]) == ("https://news.example/7", "Ann", "Food")
    assert row["created_at"] == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert (row["kind"], row["channel"], row["is_adult"]) == ("article", "all", False)


def test_old_formats_without_ids_are_read() -> None:
    cdf = b'<CHANNEL><ITEM HREF="https://news.example/7"><TITLE>Old</TITLE></ITEM></CHANNEL>'
    userland = rss_2("<item><title>Old</title><link>https://news.example/7</link></item>").replace(b"2.0", b"0.91")

    assert row_of(cdf)["title"] == row_of(userland)["title"] == "Old"
    assert row_of(userland)["document_id"] == "rss:all:https://news.example/7"


def test_ids_fall_back_to_the_link_and_then_to_a_hash() -> None:
    linked, bare, again = rows_of(
        rss_2("<item><title>A</title><link>/a</link></item><item><title>B</title></item><item><title>C</title></item>")
    )

    assert linked["document_id"] == "rss:all:https://news.example/a"
    assert bare["document_id"].startswith("rss:all:sha256-")
    assert bare["document_id"] != again["document_id"]


def test_a_guid_that_is_no_address_is_no_link() -> None:
    row = row_of(rss_2("<item><guid>abc123</guid><title>A</title></item>"))

    assert (row["document_id"], row["url"]) == ("rss:all:abc123", None)
    assert (
        row_of(rss_2("<item><guid>https://news.example/9</guid><title>A</title></item>"))["url"]
        == "https://news.example/9"
    )


def test_entries_of_one_guid_are_one_record_unless_their_content_differs() -> None:
    item = "<item><guid isPermaLink='false'>1</guid><title>{}</title></item>"

    assert [row["title"] for row in rows_of(rss_2(item.format("A") * 2))] == ["A"]
    rows = rows_of(rss_2(item.format("A") + item.format("B") + item.format("A")))
    assert [row["title"] for row in rows] == ["A", "B"]
    ids = [row["document_id"] for row in rows]
    assert len(set(ids)) == 2
    assert all(found.startswith("rss:all:1#") for found in ids)
    # The other way round in the next fetch: the same ids.
    assert [row["document_id"] for row in rows_of(rss_2(item.format("B") + item.format("A")))] == ids[::-1]


def test_a_long_guid_is_cut_but_stays_unique() -> None:
    first, second = rows_of(
        rss_2("".join(f"<item><guid>{'x' * 5000}{n}</guid><title>A</title></item>" for n in (1, 2)))
    )

    assert first["document_id"] != second["document_id"]
    assert len(first["document_id"]) < 240


@pytest.mark.parametrize(
    "date", ["", "<pubDate>mer, 16 nov 2022</pubDate>", "<pubDate>Thu, 01 Jan 1970 00:00:00 GMT</pubDate>"]
)
def test_without_a_date_there_is_no_time_and_the_payload_stays_the_same(date: str) -> None:
    body = rss_2(f"<item><guid>1</guid><title>A</title>{date}</item>")
    records = [rss_records.records_of(read_feed(body, url=URL), "all")[0] for _ in range(2)]

    assert records[0].event_time is None
    assert rss_records.parse(records[0].payload)["created_at"] is None
    assert orjson.dumps(records[0].payload) == orjson.dumps(records[1].payload)


def test_the_payload_does_not_depend_on_the_host_that_was_asked() -> None:
    body = FORMATS["Atom 1.0"].encode()
    payloads = [
        rss_records.records_of(read_feed(body, url=f"http://127.0.0.1:{port}/f"), "all")[0].payload for port in (1, 2)
    ]

    assert payloads[0] == payloads[1]


@pytest.mark.parametrize(
    ("body", "url"),
    [
        (
            rss_2("<item><link>/a?b=1</link></item>", "<link>https://site.example/blog/</link>"),
            "https://site.example/a?b=1",
        ),
        (rss_2("<item><link>a</link></item>"), "https://news.example/feeds/a"),
        (rss_2("<item><link>//cdn.example/a</link></item>"), "https://cdn.example/a"),
        (
            b'<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://site.example/x/"><link href="https://no.example/"/>'
            b'<entry xml:base="y/"><link href="a"/></entry></feed>',
            "https://site.example/x/y/a",
        ),
        (
            b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="../a"/></entry></feed>',
            "https://news.example/a",
        ),
        (rss_2("<item><link>javascript:alert(1)</link><title>A</title></item>"), None),
        (rss_2("<item><link>http://[bad</link><title>A</title></item>"), "http://[bad"),
    ],
)
def test_relative_links(body: bytes, url: str | None) -> None:
    assert row_of(body)["url"] == url


def test_the_longest_readable_content_is_the_text() -> None:
    atom = """<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>A</title><summary>Short</summary>
        <content type="image/png">aW1hZ2U=</content></entry></feed>"""
    both = rss_2(
        "<item><description>Short</description><encoded xmlns='http://purl.org/rss/1.0/modules/content/'>"
        "&lt;p&gt;The whole article&lt;/p&gt;</encoded></item>"
    )

    assert row_of(atom.encode())["text"] == "Short"
    assert row_of(both)["text"] == "The whole article"


def test_pictures_counts_and_ratings() -> None:
    body = b"""<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"
      xmlns:slash="http://purl.org/rss/1.0/modules/slash/"><channel>
      <item><title>A</title><enclosure url="/song.mp3" type="audio/mpeg" length=""/><slash:comments>12</slash:comments>
      <media:content url="https://i.example/a.mp4" medium="video"/><media:thumbnail url="https://i.example/a.jpg"/>
      <media:rating>adult</media:rating></item>
      <item><title>B</title><enclosure url="https://i.example/b.png" type="image/png"/>
      <slash:comments>many</slash:comments></item>
      <item><title>C</title></item></channel></rss>"""
    first, second, third = rows_of(body)

    assert (first["image_url"], first["replies"], first["is_adult"]) == ("https://i.example/a.jpg", 12, True)
    assert (second["image_url"], second["replies"], second["is_adult"]) == ("https://i.example/b.png", None, False)
    assert third["image_url"] is None


@pytest.mark.parametrize(
    ("declared", "language"),
    [
        ("en-us", "en-US"),
        ("pt_BR", "pt-BR"),
        ("DE", "de"),
        ("zh-hans-cn", "zh-hans-CN"),
        ("english", None),
        ("und", None),
        ("", None),
    ],
)
def test_languages(declared: str, language: str | None) -> None:
    assert (
        row_of(rss_2("<item><title>A</title></item>", f"<language>{declared}</language>"))["language_declared"]
        == language
    )


def test_the_language_of_the_entry_goes_before_that_of_the_feed() -> None:
    body = (
        b'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><entry xml:lang="fr"><title>A</title></entry></feed>'
    )

    assert row_of(body)["language_declared"] == "fr"


def test_fields_of_a_wrong_type_are_left_out() -> None:
    names = ("links", "content", "tags", "title_detail", "media_content", "published_parsed", "author_detail", "image")
    row = row_of(rss_2("<item><title>A</title>" + "".join(f"<{name}>x</{name}>" for name in names) + "</item>"))
    wrong = {
        "id": "9",
        "title": ["A"],
        "url": 1,
        "content_text": "text",
        "tags": [1, None],
        "authors": "x",
        "image": {},
    }
    body = {"version": "https://jsonfeed.org/version/1.1", "title": 5, "authors": {}, "items": [wrong]}

    assert row["title"] == "A"
    assert (row_of(orjson.dumps(body))["text"], row_of(orjson.dumps(body))["category"]) == ("text", "1")


def test_an_item_that_is_no_object_becomes_a_record_that_cannot_be_parsed() -> None:
    feed = read_feed(b'{"version": "https://jsonfeed.org/version/1.1", "items": ["x"]}', url=URL)
    (record,) = rss_records.records_of(feed, "all")

    assert record.record_id is None
    with pytest.raises(TypeError, match="str instead of an object"):
        rss_records.parse(record.payload)


@pytest.mark.parametrize(
    "body", [rss_2("<item/>"), rss_2("<item><guid isPermaLink='false'>1</guid><pubDate>soon</pubDate></item>")]
)
def test_an_entry_of_nothing_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed, match="neither title, text nor link"):
        rows_of(body)


def test_samples_fill_the_columns_of_the_kind() -> None:
    (stream,) = rss.SOURCE.streams
    allowed = {*KINDS["documents"].columns, "author"} - {
        *PLATFORM_COLUMNS,
        "author_id",
        "canonical_url",
        "content_hash",
    }
    rows = [stream.parse(payload) for payload in stream.sample.payloads]

    assert all(set(row) <= allowed for row in rows)
    assert all(
        stream.identify(payload) == (row["document_id"], row["created_at"])
        for payload, row in zip(stream.sample.payloads, rows, strict=True)
    )
    assert rows[0]["text"] == "From May one ticket is enough.\nCommuters are delighted."
    assert (rows[0]["title"], rows[0]["replies"], rows[0]["language_declared"]) == (
        "Ferry & tram share one ticket",
        4,
        "en-GB",
    )
    assert (rows[1]["author"], rows[1]["created_at"]) == ("Bo", None)
