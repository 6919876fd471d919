import pytest

from pipeline_platform.enrich.entities import Entities
from pipeline_platform.enrich.named import asset_by_ticker, named
from pipeline_platform.enrich.organisations import ORGANISATIONS
from pipeline_platform.enrich.persons import persons


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("microsoft and MICROSOFT", ["ORG:Microsoft", "ORG:Microsoft"]),
        ("Apple pie, an apple a day, Target practice", []),
        ("Apple's shares fell", ["ORG:Apple"]),
        ("Apple Inc. and later Apple", ["ORG:Apple", "ORG:Apple"]),
        ("the new iPhone from Apple", ["PRODUCT:iPhone", "ORG:Apple"]),
        ("the Amazon is a river", []),
        ("J.P. Morgan, AT&T, Coca-Cola, McDonald’s", ["ORG:JPMorgan", "ORG:AT&T", "ORG:Coca-Cola", "ORG:McDonald's"]),
        ("Apples and Googlers", []),
    ],
)
def test_organisations_and_products(text, entities):
    assert [f"{one.label}:{one.value}" for one in named(text)] == entities


def test_a_ticker_is_a_sign_of_its_company():
    assert named("Ford is up") == []
    assert [one.value for one in named("Ford is up", ["F"])] == ["Ford"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("said Angela Merkel on Monday", ["Angela Merkel"]),
        ("John F. Kennedy and Ursula von der Leyen", ["John F. Kennedy", "Ursula von der Leyen"]),
        ("President Obama met Dr. Smith", ["Obama", "Smith"]),
        ("Martin said, Martin", []),
        ("Martin Monday, Dr Pepper, David Says", []),
        ("the John Smith University", []),
        ("JOHN SMITH, john smith", []),
        ("Anna Maria", ["Anna Maria"]),
        ("", []),
    ],
)
def test_persons(text, names):
    assert [name for name, _, _ in persons(text)] == names


def test_entities_hold_the_assets_behind_companies_and_tickers(settings, texts):
    said = texts("Tesla hires Elon Musk", "$AAPL", "$ZZZZ", "https://microsoft.com/Google @Tesla `Nvidia`")
    assert Entities(settings).apply(said, None)["entities"].tolist() == [
        ["ASSET:equity:TSLA", "ORG:Tesla", "PERSON:Elon Musk"],
        ["ASSET:equity:AAPL", "TICKER:AAPL"],
        ["TICKER:ZZZZ"],
        ["DOMAIN:microsoft.com", "MENTION:tesla"],
    ]


def test_the_list_of_organisations_is_sound():
    first = [organisation.names[0] for organisation in ORGANISATIONS]
    assert len(first) == len(set(first))
    assert all(key == f"equity:{ticker}" for ticker, key in asset_by_ticker().items())
    assert all(all(one.names) and all(one.products) for one in ORGANISATIONS)
