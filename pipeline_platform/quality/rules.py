"""Which rows keep the rules of a contract, as a mask: the cheap question, where `verdict.py` names every breach."""

import numpy as np
import pandas as pd
import pandera.pandas as pa


def keeps_columns(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> dict[str, np.ndarray]:
    """Per column with a rule, which rows of `frame` keep all of them: null only where allowed, and every check.

    `frame` has a RangeIndex, here and below.
    """
    kept: dict[str, np.ndarray] = {}
    for name, column in schema.columns.items():
        masks = [_holds(check, frame[name]) for check in column.checks]
        if not column.nullable:
            masks.append(frame[name].notna().to_numpy(dtype=bool))
        if masks:
            kept[name] = np.logical_and.reduce(masks)
    return kept


def keeps_all(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> np.ndarray:
    """Which rows of `frame` keep the rules over several columns."""
    masks = [_holds(check, frame) for check in schema.checks]
    return np.logical_and.reduce(masks) if masks else np.ones(len(frame), dtype=bool)


def _holds(check: pa.Check, values: pd.Series | pd.DataFrame) -> np.ndarray:
    output = check(values).check_output
    if not isinstance(output, pd.Series):  # one answer for all of them
        return np.full(len(values), bool(output))
    # A check leaves out nulls, which it has nothing to say about.
    holds = np.ones(len(values), dtype=bool)
    holds[output.index.to_numpy()] = output.to_numpy(dtype=bool, na_value=True)
    return holds
