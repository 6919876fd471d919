"""Feed documents: encodings, text of HTML, what is no feed, documents that are damaged or made to do harm."""

import gzip

import pytest

from pipeline_platform.sources import rss_records
from pipeline_platform.sources.errors import Malformed
from pipeline_platform.sources.feeds import lost_on_the_way, read_feed
from pipeline_platform.sources.markup import text_of, text_of_plain
from pipeline_platform_tests.sources.test_rss import URL, row_of, rows_of, rss_2


def titled(title: str, declaration: str = "") -> str:
    return f'{declaration}<rss version="2.0"><channel><item><title>{title}</title></item></channel></rss>'


CYRILLIC = "Новости из города: первый снег выпал ночью, дороги закрыты до утра"
JAPANESE = "今日のニュースをお届けします。明日は雨が降るでしょう。"


@pytest.mark.parametrize(
    ("body", "content_type", "title"),
    [
        (titled(CYRILLIC, '<?xml version="1.0" encoding="koi8-r"?>').encode("koi8-r"), "text/xml", CYRILLIC),
        (titled(CYRILLIC).encode("cp1251"), "text/xml; charset=windows-1251", CYRILLIC),
        (
            titled(CYRILLIC, '<?xml version="1.0" encoding="utf-8"?>').encode("cp1251"),
            'text/xml; charset="cp1251"',
            CYRILLIC,
        ),
        (titled(CYRILLIC).encode("koi8-r"), "", CYRILLIC),
        (titled(JAPANESE).encode("shift_jis"), "application/xml", JAPANESE),
        (titled(JAPANESE).encode("utf-16"), "text/xml; charset=utf-8", JAPANESE),
        (titled(JAPANESE + "\n", '<?xml version="1.0" encoding="utf-16"?>').encode("utf-16-be"), "", JAPANESE),
        (titled(JAPANESE).encode("utf-8-sig"), "text/xml; charset=iso-8859-1", JAPANESE),
        (titled("Café", '<?xml version="1.0" encoding="utf-16"?>').encode(), "", "Café"),
        (titled("Café", '\n <?xml version="1.0" encoding="iso-8859-1"?>').encode("latin-1"), "text/xml", "Café"),
        (titled("Café “au lait”").encode("cp1252"), "", "Café “au lait”"),
        (titled("Café").encode(), "text/xml", "Café"),
        (titled("Café").encode(), "text/xml; charset=no-such-charset", "Café"),
        (gzip.compress(titled("Café").encode(), mtime=0), "application/gzip", "Café"),
    ],
)
def test_encodings(body: bytes, content_type: str, title: str) -> None:
    assert row_of(body, content_type)["title"] == title


def test_text_keeps_paragraphs_and_drops_what_is_not_read() -> None:
    markup = """<h1>Head</h1>Two
      words<br>next<script>x()</script><style>p{}</style><ul><li>one<li>two</ul><pre>a\n  b</pre>
      <table><tr><td>1</td><td>2</td></tr></table>&lt;tag&gt; &amp;amp;<!-- no -->"""

    assert text_of(markup) == "Head\nTwo words\nnext\none\ntwo\na\nb\n1 2\n<tag> &amp;"
    assert text_of("") == ""
    assert text_of_plain(" a &amp; b\n\n c ") == "a & b\nc"
    assert text_of_plain("&lt;p&gt;escaped &lt;b&gt;twice&lt;/b&gt;&lt;/p&gt;") == "escaped twice"
    assert text_of("<div>" * 50_000 + "deep") == "deep"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"<!DOCTYPE html><html><head><title>Sign\n in</title></head></html>", "HTML page ('Sign in')"),
        (b"<note><to>Ann</to></note>", "no feed"),
        (b"just text", "no feed"),
        (b'{"items": []}', "no JSON Feed"),
        (b"[1, 2]", "no JSON Feed"),
        (b'{"version": "https://jsonfeed.org/version/1", "items": {}}', "items are dict"),
        (b'{"version": "https://jsonf', "JSON"),
        (gzip.compress(b"<rss/>" * 999, mtime=0)[:40], "cannot be unpacked"),
        (b"/etc/hostname", "no feed"),
        (b"file:///etc/hostname", "no feed"),
    ],
)
def test_what_is_no_feed_says_what_it_is(body: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_feed(body, url=URL)
    assert reason in str(caught.value)


def test_an_empty_feed_is_fine() -> None:
    assert rows_of(rss_2("")) == []
    assert rows_of(b'{"version": "https://jsonfeed.org/version/1.1", "items": []}') == []


def test_a_damaged_feed_is_used_and_marked() -> None:
    sound = rss_records.records_of(read_feed(rss_2("<item><title>A</title></item>"), url=URL), "all")
    damaged = rss_records.records_of(read_feed(rss_2("<item><title>A & B</title><br></item>"), url=URL), "all")

    assert "bozo" not in sound[0].payload
    assert damaged[0].payload["bozo"] is True
    assert rss_records.parse(damaged[0].payload)["title"] == "A & B"


def test_characters_that_xml_does_not_have_cost_nothing_but_themselves() -> None:
    for broken in (b"\x08", b"&#0;", b"&#xD800;", b"&#99999999999;", b"&#" + b"9" * 5000 + b";"):
        row = row_of(rss_2("<item><title>A @ B</title></item>").replace(b"@", broken))
        assert row["title"].startswith("A ")
        assert row["title"].endswith(" B")


BOMB = "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">\n' for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    "subset",
    [
        f'<!ENTITY a "ha">\n{BOMB}',
        '<!ENTITY j SYSTEM "file:///etc/hostname">\n<!ENTITY % p SYSTEM "http://127.0.0.1:9/"> %p;\n',
    ],
    ids=["billion laughs", "external"],
)
@pytest.mark.parametrize("before", ["", "<!-- <x -->\n"], ids=["plain", "behind a comment"])
def test_entities_of_the_document_do_no_harm(subset: str, before: str) -> None:
    body = f'<?xml version="1.0"?>\n{before}<!DOCTYPE rss [\n{subset}]>\n' + titled("It is &j; all right")
    title = row_of(body.encode())["title"]

    assert title.startswith("It is")
    assert len(title) < 100


def test_an_entity_that_is_repeated_until_it_fills_the_memory_is_refused() -> None:
    body = '<?xml version="1.0"?>\n<!DOCTYPE rss [\n<!ENTITY a "' + "A" * 50_000 + '">\n]>\n' + titled("&a;" * 5_000)

    with pytest.raises(Malformed, match="attack"):
        read_feed(body.encode(), url=URL)


@pytest.mark.timeout(20)
def test_documents_made_to_take_for_ever_do_not() -> None:
    item = "<item><title>A</title></item>"

    assert len(rows_of(rss_2(item).replace(b"<rss", b"\n" * 200_000 + b"<rss"))) == 1
    assert len(rows_of(rss_2(item + "<" * 100_000))) == 1
    assert row_of(rss_2(f"<item><title>A</title><description>{'&lt;pre&gt;a' * 20_000}</description></item>"))["text"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"<!doctype html><html><title>Wait</title></html>", "an HTML page ('Wait')"),
        (b'<?xml version="1.0"?><!-- <rss> --><rss version="2.0"><channel><item><title>Fer', "</rss> is missing"),
        (b'<rdf:RDF xmlns:rdf="x"><item/>', "</rdf:RDF> is missing"),
        (b"<rss><channel/></rss><!-- served in 2 ms -->", None),
        (b'<feed xmlns="http://www.w3.org/2005/Atom"></feed>', None),
        (b'{"version": "https://jsonfeed.org/version/1.1", "items": [', "cut off"),
        ("<rss><channel>".encode("utf-16"), None),
        (b"<opml><body/></opml>", None),
    ],
)
def test_what_was_lost_on_the_way(body: bytes, problem: str | None) -> None:
    found = lost_on_the_way(body)
    assert found is None if problem is None else problem in str(found)
