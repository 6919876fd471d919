"""A run computes only what is new, and says what a run without a memory would say."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline_platform.enrich import code
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.predictions import Predictions
from pipeline_platform.enrich.registry import code_version, component_columns
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS
from pipeline_platform.storage.lake import Lake

COLUMNS = component_columns()


def _component(name, column, say, inputs=(), version="1"):
    """A component that says of a text what `say` does, and keeps what it was shown."""
    seen = []

    def apply(texts, frame):
        seen.extend(texts)
        return pd.DataFrame({column: [say(text) for text in texts]})

    return SimpleNamespace(
        name=name, inputs=inputs, outputs={column: COLUMNS[column]}, version=version, apply=apply, seen=seen
    )


def _lengths(version="1"):
    return _component("lengths", "language_confidence", lambda text: 1 / (1 + len(text)), version=version)


def _words(version="1"):
    return _component("words", "entities", str.split, inputs=("language_confidence",), version=version)


def _texts(documents, *texts):
    return documents([{"text": text} for text in texts])


def test_only_new_texts_are_looked_at(documents):
    before = enrich(_texts(documents, "one", "two words", "three"), [_lengths(), _words()])
    components, earlier = [_lengths(), _words()], Predictions(before)
    rows = _texts(documents, "two words", "new here", "one", "one", "")
    result = enrich(rows, components, earlier)
    # The first text is always looked at: it settles the version.
    assert components[1].seen == ["two words", "new here", ""]
    assert earlier.hit_rates == {"lengths": 0.5, "words": 0.5}
    pd.testing.assert_frame_equal(result, enrich(rows, [_lengths(), _words()]))


def test_another_version_is_computed_again_with_all_that_reads_it(documents):
    rows = _texts(documents, "one", "two words")
    before = enrich(rows, [_lengths(), _words()])
    for components, rates in (
        ([_lengths(), _words("2")], {"lengths": 1.0, "words": 0.0}),
        ([_lengths("2"), _words()], {"lengths": 0.0, "words": 0.0}),
    ):
        earlier = Predictions(before)
        result = enrich(rows, components, earlier)
        assert earlier.hit_rates == rates
        pd.testing.assert_frame_equal(result, enrich(rows, components))


def test_a_model_that_came_or_went_is_seen_by_the_first_text(documents):
    rows = _texts(documents, "one", "two")
    before = enrich(rows, [_lengths("here")])
    gone = _component("lengths", "language_confidence", lambda text: None, version="configured")
    say = gone.apply

    def apply(texts, frame):
        gone.version = "unavailable"
        return say(texts, frame)

    gone.apply = apply
    result = enrich(rows, [gone], Predictions(before))
    assert result["language_confidence"].isna().all()
    assert json.loads(result["model_versions"].iloc[0])["lengths"] == "unavailable"


def test_other_code_is_computed_again(documents, monkeypatch):
    rows = _texts(documents, "one", "two")
    before = enrich(rows, [_lengths()])
    monkeypatch.setattr("pipeline_platform.enrich.documents.code_digest", lambda: "another")
    earlier = Predictions(before)
    enrich(rows, [_lengths()], earlier)
    assert earlier.hit_rates == {"lengths": 0.0}


def test_rows_of_several_versions_and_without_any_serve_where_they_fit(documents):
    old, new = (enrich(_texts(documents, *texts), [_lengths(version)]) for texts, version in (("ab", "1"), ("bc", "2")))
    nothing = new.assign(model_versions=pd.array([None] * 2, dtype=new["model_versions"].dtype), text=["d", "e"])
    earlier = Predictions(pd.concat([old, nothing, new], ignore_index=True))
    component = _lengths("2")
    enrich(_texts(documents, "c", "a", "b", "d"), [component], earlier)
    assert component.seen == ["c", "a", "d"]


def test_nothing_known_and_nothing_asked(documents, components):
    empty = ENRICHED_DOCUMENTS.empty()
    rows = _texts(documents, "hello there")
    pd.testing.assert_frame_equal(enrich(rows, components, Predictions(empty)), enrich(rows, components))
    assert len(enrich(documents([]), components, Predictions(enrich(rows, components)))) == 0


written = st.lists(
    st.tuples(st.none() | st.text(max_size=30), st.sampled_from(["I hate it", "", "$BTC up", None])), max_size=4
)


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written, written)
def test_with_and_without_memory_the_same(documents, components, before, now):
    first, second = (
        documents([{"title": title, "text": text, "is_deleted": True} for title, text in both])
        for both in (before, before[:2] + now)
    )
    earlier = Predictions(enrich(first, components))
    pd.testing.assert_frame_equal(enrich(second, components, earlier), enrich(second, components))


def test_a_table_of_the_lake_serves(documents, components, tmp_path):
    lake = Lake(str(tmp_path / "lake"), mode="demo")
    rows = _texts(documents, "I love $BTC", "Das Wetter wird morgen leider nicht besser.", "")
    result = enrich(rows, components)[ENRICHED_DOCUMENTS.columns]
    day = rows["event_date"].iloc[0]
    lake.replace(ENRICHED_DOCUMENTS, result, day, day)
    earlier = Predictions(lake.read(ENRICHED_DOCUMENTS))
    again = enrich(rows, components, earlier)[ENRICHED_DOCUMENTS.columns]
    assert set(earlier.hit_rates.values()) == {1.0}
    assert not lake.replace(ENRICHED_DOCUMENTS, again, day, day)


def test_values_in_chunks_are_taken_in_order(documents):
    parts = [enrich(_texts(documents, text), [_words_alone()]) for text in ("a b", "c", "d e f")]
    earlier = Predictions(pd.concat(parts, ignore_index=True))
    result = enrich(_texts(documents, "d e f", "x", "a b"), [_words_alone()], earlier)
    assert [list(one) for one in result["entities"]] == [["d", "e", "f"], ["x"], ["a", "b"]]


def _words_alone():
    return _component("words", "entities", str.split)


def test_the_code_version_follows_settings_and_code(settings, monkeypatch):
    usual = code_version(settings)
    assert usual == code_version(settings)
    assert usual.startswith(code.code_digest())
    for change in ({"sentiment_model": "some/model"}, {"spacy_model": "some_pipeline"}):
        assert code_version(settings.model_copy(update=change)) != usual
    monkeypatch.setattr("pipeline_platform.enrich.registry.code_digest", lambda: "another")
    assert code_version(settings) != usual


@pytest.mark.parametrize("name", ["vader_kernel.py", "coins.py"])
def test_the_digest_reads_every_file_of_the_room(name, tmp_path, monkeypatch):
    room = tmp_path / "enrich"
    room.mkdir()
    (room / name).write_text("1")
    monkeypatch.setattr(code, "__file__", str(room / "code.py"))
    code.code_digest.cache_clear()
    first = code.code_digest()
    (room / name).write_text("2")
    code.code_digest.cache_clear()
    assert code.code_digest() != first
    monkeypatch.undo()
    code.code_digest.cache_clear()
