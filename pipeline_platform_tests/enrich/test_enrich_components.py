import logging
import math
import re

import pandas as pd
import pytest
import spacy
from spacy.training import Example

from pipeline_platform.enrich.entities import Entities, spelled
from pipeline_platform.enrich.language import Language
from pipeline_platform.enrich.transformer import SentimentModel, UnfitModelError, label_values
from pipeline_platform_tests.tiny_models import tiny_spacy

NOTHING = pd.DataFrame()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The committee will publish its report on Tuesday morning.", "en"),
        ("EVERYBODY WAS WAITING FOR THE NEW RELEASE", "en"),
        ("Le gouvernement a présenté son budget pour l'année prochaine.", "fr"),
        ("Мы ждали этого обновления очень долго.", "ru"),
        ("新しいバージョンが今日公開されました。", "ja"),
        ("two lines\nof plain English writing", "en"),
        ("Schaut euch das mal an: https://www.example.com/the-quick-brown-fox-jumps @someone", "de"),
        ("", "und"),
        ("🚀🚀🚀 100", "und"),
        ("lol", "und"),
        ("https://example.com/an-english-address", "und"),
    ],
)
def test_language(settings, texts, text, language):
    found = Language(settings).apply(texts(text), NOTHING)
    assert found["language"].tolist() == [language]
    confidence = found["language_confidence"].tolist()[0]
    assert confidence is None or math.isnan(confidence) or 0 <= confidence <= 1


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("$AAPL and $tsla", {"TICKER:AAPL"}),
        ("$btc up, $BRK.B down", {"TICKER:BTC", "COIN:bitcoin", "TICKER:BRK.B"}),
        ("costs $100 or US$5; echo $HOME $(pwd) $PATH", set()),
        ("#Python #3dprint #123 #fff000 a#b", {"HASHTAG:python", "HASHTAG:3dprint"}),
        ("thanks @Ann_b, mail a@b.org, npm @types/node", {"MENTION:ann_b"}),
        ("see https://www.Example.co.uk:8080/a?b=c#d.", {"DOMAIN:example.co.uk"}),
        ("(https://user:pw@example.org) http://localhost/ http://127.0.0.1/", {"DOMAIN:example.org"}),
        ("https://github.com/Pallets/Flask.git", {"DOMAIN:github.com", "REPOSITORY:pallets/flask"}),
        ("https://github.com/topics/python", {"DOMAIN:github.com"}),
        ("fixed in pallets/flask#12, and/or later", {"REPOSITORY:pallets/flask"}),
        ("plain words", set()),
    ],
)
def test_spelled_entities(text, entities):
    assert spelled(text) == entities


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("Bitcoin's rally, BTC/USD", ["COIN:bitcoin"]),
        ("bitcoin cash", ["COIN:bitcoin-cash"]),
        ("#bitcoin", ["COIN:bitcoin", "HASHTAG:bitcoin"]),
        ("Solana, ETH-BTC", ["COIN:bitcoin", "COIN:ethereum", "COIN:solana"]),
        ("sol, near the link, etc.", []),
        ("the bitcoiners and eth", []),
    ],
)
def test_coins(settings, texts, text, entities):
    assert Entities(settings).apply(texts(text), NOTHING)["entities"].tolist() == [entities]


def test_a_configured_spacy_pipeline_adds_its_entities(settings, texts, tmp_path):
    component = Entities(settings.model_copy(update={"spacy_model": str(tiny_spacy(tmp_path / "model"))}))
    found = component.apply(texts("Acme Works sells $AAPL on Monday", ""), NOTHING)
    assert found["entities"].tolist() == [["ASSET:equity:AAPL", "ORG:Acme Works", "TICKER:AAPL"], []]
    assert component.version.endswith("; small 1.2.3")


def test_a_trained_spacy_pipeline_adds_what_it_learnt(settings, texts, tmp_path):
    spacy.util.fix_random_seed(0)
    pipeline = spacy.blank("en")
    pipeline.add_pipe("ner")
    pipeline.add_pipe("sentencizer")
    taught = [
        Example.from_dict(pipeline.make_doc(f"yesterday {name} called"), {"entities": [(10, 10 + len(name), "PERSON")]})
        for name in ("Zorblax", "Quimby", "Vextor")
    ]
    optimizer = pipeline.initialize(lambda: taught)
    for _ in range(40):
        pipeline.update(taught, sgd=optimizer)
    pipeline.to_disk(tmp_path / "model")
    component = Entities(settings.model_copy(update={"spacy_model": str(tmp_path / "model")}))
    found = component.apply(texts("yesterday Zorblax called", "", "nothing here"), NOTHING)["entities"].tolist()
    assert found[:2] == [["PERSON:Zorblax"], []]
    assert component.apply(texts("yesterday Zorblax called"), NOTHING)["entities"].tolist() == found[:1]


def test_a_missing_spacy_pipeline_is_said_and_leaves_the_rest(settings, texts, caplog):
    component = Entities(settings.model_copy(update={"spacy_model": "no_such_pipeline"}))
    with caplog.at_level(logging.ERROR):
        found = component.apply(texts("Acme sells $AAPL"), NOTHING)
    assert found["entities"].tolist() == [["ASSET:equity:AAPL", "TICKER:AAPL"]]
    assert component.version.endswith("; no_such_pipeline unavailable")
    assert "PIPELINE_SPACY_MODEL=no_such_pipeline cannot be used" in caplog.text


def test_a_missing_sentiment_model_is_said_and_leaves_null(settings, texts, caplog, tmp_path):
    model = str(tmp_path / "absent")
    component = SentimentModel(settings.model_copy(update={"sentiment_model": model}))
    with caplog.at_level(logging.ERROR):
        found = component.apply(texts("fine", ""), NOTHING)
    assert found["sentiment_model_score"].isna().all()
    assert component.version == f"{model} unavailable"
    assert "PIPELINE_SENTIMENT_MODEL" in caplog.text
    assert "name a folder that has them" in caplog.text


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        (["NEGATIVE", "POSITIVE"], [-1, 1]),
        (["neg", "neutral", "pos"], [-1, 0, 1]),
        (["LABEL_0", "LABEL_1", "LABEL_2"], [-1, 0, 1]),
        (["LABEL_0", "LABEL_1"], [-1, 1]),
        (["1 star", "2 stars", "3 stars", "4 stars", "5 stars"], [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_labels_of_sentiment_models(labels, values):
    assert list(label_values(labels).values()) == values


@pytest.mark.parametrize("labels", [["joy", "anger"], ["LABEL_0"], ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"]])
def test_labels_that_tell_no_sentiment_are_refused(labels):
    with pytest.raises(UnfitModelError, match=labels[0]):
        label_values(labels)


def test_a_configured_sentiment_model_scores_texts(settings, texts, tmp_path):
    torch = pytest.importorskip("torch", reason="needs the extra `models`")
    import transformers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1},
    )
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path / "model")
    transformers.BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "model")
    component = SentimentModel(settings.model_copy(update={"sentiment_model": str(tmp_path / "model")}))
    said = texts("good", "", "bad bad good", "good bad")
    scores = component.apply(said, NOTHING)["sentiment_model_score"]
    assert scores.isna().tolist() == [False, True, False, False]
    assert scores.dropna().between(-1, 1).all()
    alone = component.apply(texts("bad bad good"), NOTHING)["sentiment_model_score"]
    assert scores[2] == pytest.approx(alone[0], abs=1e-5)
    assert re.search(r"@local-[0-9a-f]{12} \(torch", component.version)
