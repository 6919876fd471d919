"""Vectors of texts by a model on disk, and the words of clusters."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from scipy.sparse import csr_matrix

from pipeline_platform.topics.corpus import Words
from pipeline_platform.topics.embedding import EmbeddingError, class_tf_idf, embed


def test_a_vector_is_the_mean_of_those_of_the_tokens(embedding_model):
    (table,) = onnx.load(embedding_model / "model.onnx").graph.initializer
    vectors = numpy_helper.to_array(table)
    # The first two are padding and unknown words, then come the words in their order.
    harbour, ferry = vectors[2], vectors[3]
    texts = ["harbour", "harbour ferry " * 10, "", "ferry"]
    found = embed(texts, str(embedding_model))
    assert found.dtype == np.float32
    for vector, wanted in zip(found, (harbour, harbour + ferry, np.zeros(8), ferry), strict=True):
        np.testing.assert_allclose(vector, wanted / max(np.linalg.norm(wanted), 1e-30), atol=1e-6)


def test_the_batch_makes_no_difference(embedding_model):
    texts = ["harbour ferry", "lava", "comet " * 100, "?", "tulip hedge soil"] * 5
    together = embed(texts, str(embedding_model))
    np.testing.assert_allclose(
        together, np.concatenate([embed([one], str(embedding_model)) for one in texts]), atol=1e-6
    )
    assert embed([], str(embedding_model)).shape[0] == 0


@pytest.mark.parametrize("broken", [True, False])
def test_a_folder_that_holds_no_model_is_told_with_what_to_do(tmp_path, broken):
    if broken:
        (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(EmbeddingError, match=r"PIPELINE_TOPIC_MODEL=.*model\.onnx"):
        embed(["text"], str(tmp_path))


def test_words_of_one_cluster_weigh_more_than_words_of_all():
    counts = csr_matrix(np.array([[2.0, 0, 1], [2, 0, 1], [0, 2, 1], [0, 2, 1]]))
    weights = class_tf_idf(Words(np.array(["sea", "oven", "good"]), counts), np.array([0, 0, 1, 1]), 3)
    # tf 2/3 and 1/3, six words a cluster of which a third is empty: A = 4, f = 4.
    np.testing.assert_allclose(weights[0], [2 / 3, 0, 1 / 3])
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 0])
