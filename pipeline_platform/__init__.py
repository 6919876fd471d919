"""pipeline_platform: social posts, news, markets, weather and code, collected, checked and exported on Dagster."""

__version__ = "0.1.0"
