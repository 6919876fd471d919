import spacy

from pipeline_platform.enrich.component import UNAVAILABLE
from pipeline_platform.enrich.linear import WEIGHTS
from pipeline_platform.enrich.models import UNKNOWN, models_in_use


def test_every_shipped_model_is_listed_in_full(settings):
    found = {model.name: model for model in models_in_use(settings)}
    assert {"VADER", "lid.176.ftz", "topic", *(path.stem for path in WEIGHTS.glob("*.npz"))} == set(found)
    for model in found.values():
        assert all(model.as_row().values()), model
        assert len(model.content_hash) == 64


def test_configured_models_are_listed_by_what_their_folder_says(settings, tmp_path):
    pipeline = spacy.blank("en")
    pipeline.meta["name"], pipeline.meta["version"], pipeline.meta["license"] = "small", "1.2.3", "MIT"
    pipeline.to_disk(tmp_path / "spacy")
    transformer = tmp_path / "transformer"
    transformer.mkdir()
    (transformer / "config.json").write_text("{}")
    names = {"spacy_model": str(tmp_path / "spacy"), "sentiment_model": str(transformer)}
    named = {model.kind: model for model in models_in_use(settings.model_copy(update=names))}
    small = named["spaCy pipeline"]
    assert (small.name, small.version, small.licence, len(small.content_hash)) == ("small", "1.2.3", "MIT", 64)
    other = named["transformer for text classification"]
    assert (other.name, other.version, other.licence) == (str(transformer), UNKNOWN, UNKNOWN)
    assert len(other.content_hash) == 64


def test_a_model_that_is_not_there_is_listed_as_unavailable(settings):
    (missing,) = [
        model
        for model in models_in_use(settings.model_copy(update={"spacy_model": "no_such_pipeline"}))
        if model.kind == "spaCy pipeline"
    ]
    assert (missing.name, missing.version, missing.content_hash) == ("no_such_pipeline", UNAVAILABLE, UNKNOWN)
