from pipeline_platform.enrich import fingerprints, models
from pipeline_platform.enrich.component import UNAVAILABLE
from pipeline_platform.enrich.linear import WEIGHTS
from pipeline_platform.enrich.models import EMBEDDING, NOT_FETCHED, SPACY, TRANSFORMER, UNKNOWN, models_in_use
from pipeline_platform_tests.tiny_models import tiny_spacy, tiny_transformer


def test_every_shipped_model_is_listed_in_full(settings):
    found = {model.name: model for model in models_in_use(settings)}
    assert {"VADER", "lid.176.ftz", "topic", *(path.stem for path in WEIGHTS.glob("*.npz"))} == set(found)
    for model in found.values():
        assert all(model.as_row().values()), model
        assert len(model.content_hash) == 64


def _configured(settings, **names):
    listed = models_in_use(settings.model_copy(update={name: str(value) for name, value in names.items()}))
    return {model.kind: model for model in listed if model.kind in (SPACY, TRANSFORMER, EMBEDDING)}


def test_configured_models_are_listed_by_what_their_folder_says(settings, tmp_path):
    transformer = tiny_transformer(tmp_path / "transformer")
    named = _configured(settings, spacy_model=tiny_spacy(tmp_path / "spacy"), sentiment_model=transformer)
    small, other = named[SPACY], named[TRANSFORMER]
    assert (small.name, small.version, small.licence, len(small.content_hash)) == ("small", "1.2.3", "MIT", 64)
    assert (other.name, other.version, other.licence) == (str(transformer), UNKNOWN, UNKNOWN)
    assert len(other.content_hash) == 64
    (transformer / "model.onnx").write_bytes(b"trained again")
    fingerprints._hash_of.cache_clear()
    assert _configured(settings, sentiment_model=transformer)[TRANSFORMER].content_hash != other.content_hash


def test_a_transformer_that_nothing_can_run_is_unavailable(settings, tmp_path, monkeypatch):
    folder = tiny_transformer(tmp_path / "model", file="onnx/other.onnx")
    monkeypatch.setattr(models, "find_spec", lambda name: None)
    unfit = _configured(settings, sentiment_model=folder)[TRANSFORMER]
    assert (unfit.available, "PIPELINE_SENTIMENT_MODEL" in unfit.remedy) == (False, True)
    named = _configured(settings, sentiment_model=folder, sentiment_model_file="onnx/other.onnx")
    assert named[TRANSFORMER].available


def test_the_model_of_topics_is_listed_beside_that_of_sentiment(settings, tmp_path, monkeypatch):
    folder = tiny_transformer(tmp_path / "model", file="onnx/other.onnx")
    monkeypatch.setattr(models, "find_spec", lambda name: None)
    unfit = _configured(settings, topic_model=folder)[EMBEDDING]
    assert (unfit.available, "PIPELINE_TOPIC_MODEL" in unfit.remedy) == (False, True)
    tiny_transformer(folder)
    both = _configured(settings, topic_model=folder, sentiment_model=folder)
    assert both[EMBEDDING].available
    assert both[TRANSFORMER].available
    assert _configured(settings, topic_model="nobody/has-this")[EMBEDDING].version == NOT_FETCHED


def test_a_model_of_the_hub_may_have_to_be_fetched(settings):
    assert _configured(settings, sentiment_model="nobody/has-this")[TRANSFORMER].version == NOT_FETCHED
    assert _configured(settings, sentiment_model="/no/such/folder")[TRANSFORMER].version == UNAVAILABLE


def test_a_model_that_is_not_there_is_listed_as_unavailable(settings):
    (missing,) = [
        model
        for model in models_in_use(settings.model_copy(update={"spacy_model": "no_such_pipeline"}))
        if model.kind == "spaCy pipeline"
    ]
    assert (missing.name, missing.version, missing.content_hash) == ("no_such_pipeline", UNAVAILABLE, UNKNOWN)
