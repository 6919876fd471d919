"""What no component may choke on. The bound is on calls made, which a busy machine does not change."""

import sys
from collections import Counter

import pandas as pd
import pytest

from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.registry import COMPONENTS
from pipeline_platform.enrich.texts import MAX_CHARACTERS
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS

LONG = {
    "one letter": "a" * 1_000_000,
    "one word": "great " * 200_000,
    "hashtags": " ".join(f"#tag{n}" for n in range(10_000)),
    "cashtags": "$BTC " * 100_000,
    "mentions": "@ann" * 100_000,
    "places": "Paris, Texas, " * 50_000,
    "names": "John Smith " * 50_000,
    "commas": "," * 1_000_000,
    "apostrophes": "a'" * 500_000,
    "open brackets": "(" * 500_000,
    "address": "https://example.org/" + "a/" * 300_000,
    "capitals": "AB " * 300_000,
    "marks": "e" + "\u0301" * 500_000,
    "emoji": "😀" * 250_000,
    "line breaks": "\n" * 1_000_000,
}
SHORT = {
    "nothing": None,
    "empty": "",
    "blank": " \t\n ",
    "emoji": "🚀🚀👩\u200d👩\u200d👧\ufe0f",
    "right to left": "\u202eمرحبا بالعالم שלום\u202c",
    "zalgo": "Z\u0351\u036b\u0343a\u0329\u0346l\u0300\u0301g\u0337\u0338o\u0489 in Berlin",
    "control": "\x00\x01\x02 bell\x07 escape\x1b[31m\x7f\x85\u2028 unit\x1fseparator",
    "not a character": "\ufffe\uffff\U0010ffff",
    "byte order mark": "\ufeffhello Berlin",
    "full width": "ＡＰＰＬＥ　＃ｔａｇ",
    "ligatures": "ﬁne ŉice ǅ İstanbul ẞ",
    "han": "今天天气很好我们去北京旅游",
    "digits": "1234567890 ١٢٣٤ ½ ²",
    "quotes": "'’\"`''`",
}


@pytest.mark.parametrize("text", SHORT.values(), ids=SHORT)
def test_odd_texts_give_rows_in_the_schema(documents, components, text):
    result = enrich(documents([{"text": text, "title": None, "is_deleted": True}]), components)
    ENRICHED_DOCUMENTS.schema.validate(result)
    if not (text or "").strip():
        row = result.iloc[0]
        assert row["language"] == "und"
        assert all(len(row[name]) == 0 for name in ("entities", "keywords", "places", "aspects", "aspect_sentiments"))
        assert pd.isna(row["place"])


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_texts_give_rows_in_the_schema_and_cost_no_more_than_their_beginning(documents, components, text):
    rows = documents([{"text": text, "title": None, "is_deleted": True}])
    ENRICHED_DOCUMENTS.schema.validate(enrich(rows, components))
    calls = Counter[str]()
    sys.setprofile(lambda frame, event, argument: calls.update((event,)))
    try:
        enrich(rows, components)
    finally:
        sys.setprofile(None)
    assert calls["call"] + calls["c_call"] < 30 * MAX_CHARACTERS + 100_000


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_components_take_no_texts_at_all(settings, texts, component):
    frame = pd.DataFrame({name: pd.Series([], dtype=object) for name in component.inputs})
    found = component(settings).apply(texts(), frame)
    assert len(found) == 0
    assert set(component.outputs) <= set(found.columns)
