"""Forecasts of single series."""

from pipeline_platform.schemas.aggregated.measures import count, ordered, share
from pipeline_platform.schemas.columns import (
    above,
    at_least,
    between,
    day,
    flag,
    integer,
    not_blank,
    one_of,
    real,
    stamp,
    text,
)
from pipeline_platform.schemas.table import Table, schema_of

MEASURES = ("canonical_documents", "mean_sentiment", "close", "temperature_mean_c")
MODELS = ("naive", "seasonal_naive", "weekly_naive", "ses", "ets", "theta", "arima", "prophet")
NAIVE = MODELS[:3]

FORECASTS = Table(
    layer="aggregated",
    name="forecasts",
    description=(
        "What is expected of every series in the periods after a day, with prediction intervals, and how far the "
        "chosen model and the naive one were off when the past was forecast in the same way. Made from data up to the "
        "end of the day and nothing later."
    ),
    schema=schema_of(
        "aggregated/forecasts",
        {
            "forecast_id": text("Readable id, `close:yahoo:AAPL:USD:1d:2026-11-22:03`.", not_blank()),
            "measure": text("What is forecast: a column of another aggregate.", one_of(MEASURES, "known_measure")),
            "subject": text(
                "Whose: source or `*` for all, `source:symbol:currency`, or `source:place`.",
                not_blank(),
            ),
            "step": text("Length of a period.", one_of(("1h", "1d"), "known_step")),
            "unit": text("Unit of the forecast: documents, the currency, °C; null for none.", nullable=True),
            "issued_at": stamp("End of the last period that was known; a period that has not ended is not."),
            "valid_at": stamp("Start of the period that is forecast."),
            "horizon": integer(
                "Periods ahead; where exchanges close, days on which they trade.",
                above(0, "horizon_positive"),
                unit="periods",
                nullable=False,
            ),
            "forecast": real("Expected value; of prices the median.", nullable=False),
            "lower_80": real("Lower end of the interval that holds the value in 80 % of cases; null for one period."),
            "upper_80": real("Upper end of it."),
            "lower_95": real("Lower end of the interval of 95 %."),
            "upper_95": real("Upper end of it."),
            "model": text("Model that made the forecast.", one_of(MODELS, "known_model")),
            "is_naive": flag("Whether no model was better than the naive one in the backtest, or none could be tried."),
            "mase": real(
                "Mean absolute error of the model in the backtest, scaled by that of the seasonal naive forecast one "
                "season ahead over the time before (Hyndman & Koehler 2006); null if that is 0 or nothing was tested.",
                at_least(0, "error_not_negative"),
            ),
            "smape": real(
                "Symmetric mean absolute percentage error in the backtest (as in M4, from 0 to 200); null for measures "
                "that may be negative.",
                between(0, 200, "smape_in_range"),
                unit="%",
            ),
            "naive_model": text("The best of the naive models.", one_of(NAIVE, "known_naive_model")),
            "naive_mase": real("Its error, scaled likewise.", at_least(0, "error_not_negative")),
            "coverage_80": share("Share of the values of the backtest within the 80 % interval of the model."),
            "coverage_95": share("The same of the 95 % interval."),
            "tested_forecasts": count("Forecasts that were compared with what came, per model.", "forecasts"),
            "history": integer(
                "Periods known before, gaps left out.", above(0, "history_positive"), unit="periods", nullable=False
            ),
            "event_date": day("UTC day on which it was issued; the partition."),
        },
        ordered("lower_95", "lower_80", "intervals_nested"),
        ordered("lower_80", "forecast", "forecast_within_interval"),
        ordered("forecast", "upper_80", "forecast_within_interval_above"),
        ordered("upper_80", "upper_95", "intervals_nested_above"),
        key=("forecast_id",),
    ),
    key=("forecast_id",),
    published=True,
    tags={"domain": "cross"},
)
