"""What every enrichment component looks like."""

from collections.abc import Mapping
from typing import ClassVar, Protocol

import pandas as pd
import pandera.pandas as pa

from pipeline_platform.settings import Settings

UNAVAILABLE = "unavailable"
"""Version of a model that is configured and could not be loaded: its values are null, never those of another model."""

NOT_CONFIGURED = "not configured"
"""Version of an optional model that no setting names."""


class Component(Protocol):
    """Adds columns to documents. It sees every distinct text once; equal texts share what it says.

    What it says of a text follows from the text, the columns it reads and its `version` alone, not from the texts
    beside it or the day: so it is taken from an earlier run where these are the same, see `predictions.py`.

    Attributes:
        name: key of its entry in `model_versions`.
        inputs: columns of earlier components that `apply` reads; earlier means further up in `COMPONENTS`.
        outputs: columns it adds, with type, description and rules.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[Mapping[str, pa.Column]]

    def __init__(self, settings: Settings) -> None:
        """Takes its configuration; models are loaded by the first `apply`, so that importing stays quick."""

    @property
    def version(self) -> str:
        """Before the first `apply` what is configured, then the model and version that give the values.

        Another version means other values: it names settings and weights that make a difference. It need not name the
        code, of which `code.py` takes care.
        """

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns of `outputs` for distinct `texts`; may be called by several threads at once.

        Args:
            texts: title and text joined by a line break, trimmed; blank texts are empty strings.
            frame: the columns of `inputs`, on the index of `texts`.

        Returns:
            A frame with a row for each text, in their order; its values fit the types of `outputs`, NaN and None are
            null. A value that the component cannot give is null.
        """
