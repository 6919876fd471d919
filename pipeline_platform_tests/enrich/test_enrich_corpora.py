import pytest

from benchmarks import extraction

pytestmark = pytest.mark.skipif(not extraction.CORPORA.is_dir(), reason="no labelled text in ../shared/corpora")


def test_language_of_short_fragments():
    found = extraction.language()
    assert found.right > 0.84
    assert found.answered > 0.75
