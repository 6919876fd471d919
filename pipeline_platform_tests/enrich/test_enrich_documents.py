import json
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline_platform.enrich.documents import CODE, enrich
from pipeline_platform.enrich.registry import COMPONENTS, component_columns
from pipeline_platform.enrich.texts import MAX_CHARACTERS, distinct_texts
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS


def test_rows_and_columns_stay_and_the_schema_holds(documents, components):
    rows = documents(
        [
            {"title": "Great news for $BTC", "text": "I love it!"},
            {"title": None, "text": "Das Wetter wird morgen leider nicht besser, sagt der Wetterdienst."},
            {"title": None, "text": None, "is_deleted": True},
            {"title": "Great news for $BTC", "text": "I love it!"},
        ]
    ).set_axis([7, 3, 5, 1])
    result = enrich(rows, components)
    ENRICHED_DOCUMENTS.schema.validate(result)
    assert list(result.columns) == ENRICHED_DOCUMENTS.columns
    pd.testing.assert_frame_equal(result[rows.columns], rows)
    assert result["language"].tolist() == ["en", "de", "und", "en"]
    assert result["sentiment_label"].tolist() == ["positive", pd.NA, pd.NA, "positive"]
    assert result["entities"].tolist()[0] == ["COIN:bitcoin", "TICKER:BTC"]
    assert result["entities"].tolist()[2] == []


def test_no_documents_give_no_rows_in_the_schema(documents, components):
    result = enrich(documents([]), components)
    ENRICHED_DOCUMENTS.schema.validate(result)
    assert len(result) == 0


def test_every_row_says_which_model_gave_each_value(documents, components):
    versions = json.loads(enrich(documents([{"text": "hello there"}]), components)["model_versions"].iloc[0])
    assert set(versions) == {CODE} | {component.name for component in COMPONENTS}
    assert versions["sentiment"].startswith("vaderSentiment 3")
    assert "lid.176.ftz" in versions["language"]
    assert versions["sentiment_model"] == "not configured"


def test_equal_texts_are_looked_at_once(documents):
    seen = []

    def apply(texts, frame):
        seen.extend(texts)
        return pd.DataFrame({"sentiment_model_score": [0.5] * len(texts)})

    outputs = {"sentiment_model_score": component_columns()["sentiment_model_score"]}
    component = SimpleNamespace(name="counting", inputs=(), outputs=outputs, version="1", apply=apply)
    result = enrich(documents([{"text": " same "}, {"title": "other"}, {"text": "same"}]), [component])
    assert sorted(seen) == ["other", "same"]
    assert result["sentiment_model_score"].tolist() == [0.5, 0.5, 0.5]


def test_a_component_before_the_one_it_reads_is_refused(documents, components):
    with pytest.raises(ValueError, match="sentiment reads language"):
        enrich(documents([{"text": "hello"}]), components[1:])


def test_a_text_is_title_and_text_trimmed_and_cut(documents):
    texts, positions = distinct_texts(documents([{"title": "a", "text": "b "}, {"title": "x" * (MAX_CHARACTERS + 9)}]))
    assert [texts[i] for i in positions.to_pylist()] == ["a\nb", "x" * MAX_CHARACTERS]


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.none() | st.text(max_size=60), st.none() | st.text(max_size=60)), max_size=4))
def test_any_text_gives_rows_in_the_schema_whatever_its_neighbours(documents, components, written):
    rows = documents([{"title": title, "text": text, "is_deleted": True} for title, text in written])
    result = enrich(rows, components)
    ENRICHED_DOCUMENTS.schema.validate(result)
    backwards = enrich(rows.iloc[::-1], components).iloc[::-1]
    pd.testing.assert_frame_equal(result, backwards)


def test_importing_the_components_loads_no_model_library():
    code = (
        "import sys, pipeline_platform.enrich.registry, pipeline_platform.enrich.documents;"
        "heavy = ('spacy', 'transformers', 'fasttext', 'vaderSentiment', 'torch', 'numba');"
        "print([m for m in heavy if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
