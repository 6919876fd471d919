"""Topics of themes that are known, and what keeps them the same."""

import logging

import numpy as np
import pandas as pd
import pytest

from pipeline_platform.schemas.topics import DOCUMENT_TOPICS, EMBEDDING, LDA, TOPICS
from pipeline_platform.topics.corpus import coherence, counted, sample, texts_of
from pipeline_platform.topics.discovery import assigned, discovered
from pipeline_platform.topics.fits import topics_for
from pipeline_platform_tests.topics.conftest import NEW_THEME, THEMES, day_of, themed


def held(table, frame):
    table.schema.validate(frame)
    assert list(frame.columns) == table.columns
    return frame


def found(days, documents, earlier=None, model=None):
    return held(TOPICS, discovered(days, documents, TOPICS.empty() if earlier is None else earlier, model))


def of_one_theme(assigned_to):
    """Documents whose theme is the one that their topic has most of."""
    themes = assigned_to["document_id"].str.extract("^(?P<theme>[a-z]+)")["theme"]
    return pd.crosstab(assigned_to["topic_id"].to_numpy(), themes.to_numpy()).max(axis=1).sum()


def on(frame, day):
    return frame[(frame["event_date"] == day).to_numpy(dtype=bool)].reset_index(drop=True)


def test_themes_are_told_apart():
    documents = themed(2)
    topics = found([day_of(1)], documents)
    for label, words in zip(topics["label"], topics["words"], strict=True):
        theme = next(theme for theme in THEMES.values() if words[0] in theme)
        assert set(label.split(", ")) <= set(theme)
    assigned_to = held(DOCUMENT_TOPICS, assigned([day_of(1)], documents, topics))
    assert len(assigned_to) == 400
    assert of_one_theme(assigned_to) == 400
    assert (topics["method"] == LDA).all()
    assert topics["centroid"].isna().all()


def test_a_steady_world_keeps_its_ids_and_a_new_theme_gets_one_of_its_own():
    documents = themed(5, new_from=4)
    days = [day_of(number) for number in range(1, 5)]
    topics = found(days, documents)
    first = set(on(topics, days[0])["topic_id"])
    for day in days[1:3]:
        assert first == set(on(topics, day)["topic_id"])
        assert (on(topics, day)["similarity"] > 0.8).all()
        assert (on(topics, day)["matched_day"] == day_of((day - days[0]).days)).all()
    last = on(topics, days[-1])
    new = last[~last["topic_id"].isin(first).to_numpy(dtype=bool)]
    assert len(new) >= 1
    assert all(set(words[:5]) <= set(NEW_THEME) for words in new["words"])
    assert new["topic_id"].str.startswith(str(days[-1])).all()
    about = assigned([days[-1]], documents, topics)
    theme = about["document_id"].str.startswith("new:").to_numpy(dtype=bool)
    assert set(about["topic_id"][theme]) == set(new["topic_id"])
    assert not set(about["topic_id"][~theme]) & set(new["topic_id"])


def test_a_range_gives_what_its_days_give_in_order_whatever_the_order_of_rows():
    documents, days = themed(4), [day_of(2), day_of(3)]
    together = found(days, documents)
    shuffled = documents.sample(frac=1, random_state=1)
    first = found(days[:1], shuffled)
    second = found(days[1:], shuffled, earlier=first)
    pd.testing.assert_frame_equal(together, pd.concat([first, second], ignore_index=True))
    pd.testing.assert_frame_equal(
        assigned(days, documents, together), assigned(days, shuffled, together.sample(frac=1, random_state=1))
    )


def test_a_topic_that_pauses_for_less_than_the_memory_keeps_its_id():
    documents = themed(12)
    before = found([day_of(2)], documents)
    after = found([day_of(9)], documents, earlier=before)
    assert set(after["topic_id"]) == set(before["topic_id"])
    assert (after["matched_day"] == day_of(2)).all()
    later = found([day_of(10)], documents, earlier=before)
    assert not set(later["topic_id"]) & set(before["topic_id"])


def test_copies_other_languages_and_what_was_removed_do_not_count(documents):
    rows = themed(1)
    columns = ["document_id", "text", "event_date"]
    more = rows[columns].to_dict("records")
    ignored = [
        row | {"document_id": f"{row['document_id']}-{n}"} | change
        for n, change in enumerate(
            ({"is_canonical": False}, {"is_deleted": True}, {"language": "de"}, {"language": None})
        )
        for row in more
    ]
    both = documents([*more, *ignored])
    topics = found([day_of(0)], rows)
    pd.testing.assert_frame_equal(topics, found([day_of(0)], both))
    pd.testing.assert_frame_equal(assigned([day_of(0)], rows, topics), assigned([day_of(0)], both, topics))


def test_days_with_too_few_documents_have_no_topics(documents):
    assert topics_for(199) == 0
    assert topics_for(200) == 2
    assert found([day_of(0)], themed(1, a_day=20)).empty
    assert found([], documents([])).empty
    assert held(DOCUMENT_TOPICS, assigned([day_of(0)], themed(1), TOPICS.empty())).empty


def test_bad_texts_are_read_and_have_no_topic(documents):
    rows = themed(1)
    bad = [None, "", " ", "!!!", "🚀" * 500, "a" * 1_000_000, "\u202e\u0000\u200b", "ｘ" * 3, "https://example.org/sea"]
    given = [{"document_id": f"bad:{n}", "text": text} for n, text in enumerate(bad)]
    both = documents([*rows[["document_id", "text"]].to_dict("records"), *given])
    topics = found([day_of(0)], both)
    about = held(DOCUMENT_TOPICS, assigned([day_of(0)], both, topics))
    assert not about["document_id"].str.startswith("bad:").any()
    nothing = documents([{"text": text} for text in [None, "", "!!!", "https://example.org/sea"] * 60])
    assert found([day_of(0)], nothing).empty


def test_a_sample_is_the_same_for_any_order_and_grows_by_what_is_new():
    documents = themed(2)
    chosen = sample(documents, 50)["document_id"].tolist()
    assert sample(documents.iloc[::-1], 50)["document_id"].tolist() == chosen
    first = set(sample(on(documents, day_of(0)), 50)["document_id"])
    assert {one for one in chosen if ":0-" in one} <= first


def test_coherence_is_1_for_words_that_always_meet_and_minus_1_for_those_that_never_do():
    words = counted(["alpha beta", "alpha beta", "gamma delta", "gamma delta epsilon"] * 3, ["alpha", "beta", "gamma"])
    alpha, beta, gamma = 0, 1, 2
    found = coherence(words, [np.array(pair) for pair in ([alpha, beta], [alpha, gamma], [alpha])])
    assert found[0] == pytest.approx(1)
    assert found[1] == -1
    assert np.isnan(found[2])


def test_addresses_and_mentions_are_no_words(documents):
    rows = documents([{"title": "Storm", "text": "see https://example.org/cats @anna `code` now"}])
    assert texts_of(rows)[0].split() == ["Storm", "see", "now"]


def test_vectors_of_a_model_tell_themes_apart_too(embedding_model):
    documents, days = themed(3), [day_of(1), day_of(2)]
    topics = found(days, documents, model=str(embedding_model))
    assert (topics["method"] == EMBEDDING).all()
    assert topics["model"].str.contains("onnxruntime").all()
    assert {len(centroid) for centroid in topics["centroid"]} == {8}
    assert set(on(topics, days[0])["topic_id"]) & set(on(topics, days[1])["topic_id"])
    about = held(DOCUMENT_TOPICS, assigned(days, documents, topics, str(embedding_model)))
    assert len(about) == 800
    assert of_one_theme(about) == 800
    pd.testing.assert_frame_equal(topics, found(days, documents.iloc[::-1], model=str(embedding_model)))


def test_topics_of_one_method_do_not_go_on_in_another(embedding_model):
    documents = themed(2)
    before = found([day_of(0)], documents)
    after = found([day_of(1)], documents, earlier=before, model=str(embedding_model))
    assert after["matched_day"].isna().all()


def test_documents_are_not_held_against_topics_of_another_model(embedding_model, tmp_path, caplog):
    topics = found([day_of(0)], themed(1), model=str(embedding_model))
    for other in (None, str(tmp_path)):
        assert held(DOCUMENT_TOPICS, assigned([day_of(0)], themed(1), topics, other)).empty
        assert "run enriched/topics again" in caplog.text
        caplog.clear()


def test_a_model_that_cannot_be_used_leaves_no_topics_and_says_so(tmp_path, caplog):
    with caplog.at_level(logging.ERROR):
        assert found([day_of(0)], themed(1), model=str(tmp_path)).empty
    assert "PIPELINE_TOPIC_MODEL" in caplog.text
    assert "model.onnx" in caplog.text
