"""Tables of the layer `aggregated`: hourly and daily facts, and signals, one file per theme. All times are UTC."""

from pipeline_platform.schemas.aggregated.attention import MARKET_SENTIMENT_DAILY, WEATHER_SENTIMENT_DAILY
from pipeline_platform.schemas.aggregated.correlations import CORRELATIONS
from pipeline_platform.schemas.aggregated.cross_domain import CROSS_DOMAIN_DAILY
from pipeline_platform.schemas.aggregated.developer import DEVELOPER_ACTIVITY_DAILY
from pipeline_platform.schemas.aggregated.forecasts import FORECASTS
from pipeline_platform.schemas.aggregated.market import MARKET_DAILY
from pipeline_platform.schemas.aggregated.sources import SOURCE_AGREEMENT, SOURCE_DAILY
from pipeline_platform.schemas.aggregated.text import ENTITY_DAILY, SENTIMENT_HOURLY, SUBJECT_DAILY
from pipeline_platform.schemas.aggregated.topics import KEYWORD_DAILY, TOPIC_DAILY
from pipeline_platform.schemas.aggregated.trends import TREND_SIGNALS, VOLUME_TRENDS
from pipeline_platform.schemas.aggregated.weather import WEATHER_DAILY
from pipeline_platform.schemas.table import Table

AGGREGATED: tuple[Table, ...] = (
    SENTIMENT_HOURLY,
    ENTITY_DAILY,
    SUBJECT_DAILY,
    TOPIC_DAILY,
    KEYWORD_DAILY,
    SOURCE_DAILY,
    MARKET_DAILY,
    WEATHER_DAILY,
    DEVELOPER_ACTIVITY_DAILY,
    MARKET_SENTIMENT_DAILY,
    WEATHER_SENTIMENT_DAILY,
    CROSS_DOMAIN_DAILY,
    SOURCE_AGREEMENT,
    VOLUME_TRENDS,
    TREND_SIGNALS,
    FORECASTS,
    CORRELATIONS,
)
