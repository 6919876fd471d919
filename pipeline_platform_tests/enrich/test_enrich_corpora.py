import numpy as np
import pytest

from benchmarks import extraction
from pipeline_platform.enrich.frequencies import english
from training import document_frequencies

pytestmark = pytest.mark.skipif(not extraction.CORPORA.is_dir(), reason="no labelled text in ../shared/corpora")


def test_language_of_short_fragments():
    found = extraction.language()
    assert found.right > 0.84
    assert found.answered > 0.75


def test_keywords_of_abstracts_beat_rake():
    found = extraction.keywords()
    assert found > 0.27
    assert found > extraction.keywords(by_degree=True) + 0.03


def test_the_shipped_frequencies_are_those_of_the_texts():
    counted = document_frequencies.frequencies()
    assert counted.documents == english().documents
    np.testing.assert_array_equal(counted.counts, english().counts)


def test_places_of_tweets_and_comments():
    found = extraction.places()
    assert found.precision > 0.7
    assert found.recall > 0.32


def test_entities_of_tweets_and_comments_without_a_pipeline():
    found = extraction.entities()
    assert found["persons"].precision > 0.9
    assert found["persons"].recall > 0.13
    assert found["organisations"].precision > 0.65
    assert found["organisations"].recall > 0.15


def test_polarity_of_aspects_beats_whole_texts_and_the_commonest():
    found = extraction.aspects()
    assert found["clause"] > 0.53
    assert found["clause"] > found["commonest"] + 0.07
    assert found["clause"] > found["text"] + 0.1
