"""The aggregates of documents in plain DuckDB SQL over the Parquet files of the lake, as an analyst writes them."""

from collections.abc import Mapping, Sequence

import duckdb
import pandas as pd
import pyarrow as arrow

from pipeline_platform.aggregate.keywords import CORPUS_DAYS, MAX_KEYWORDS, MIN_DOCUMENTS
from pipeline_platform.aggregate.subjects import UNKNOWN_TICKER
from pipeline_platform.aggregate.sums import MOST_REACH
from pipeline_platform.aggregate.text import UNCOUNTED_ENTITIES
from pipeline_platform.dedup.assets import asset_keys, registry
from pipeline_platform.enrich.coins import COINS
from pipeline_platform.enrich.emotion import EMOTIONS
from pipeline_platform.enrich.named import asset_by_ticker
from pipeline_platform.schemas.aggregated.measures import EVERY

THREADS = 2

_KEPT = f"""
create temp view kept as
    select *, is_canonical and sentiment is not null as is_scored, least({MOST_REACH},
              1 + least({MOST_REACH}, greatest(coalesce(score, 0), 0))
                + least({MOST_REACH}, greatest(coalesce(replies, 0), 0))) as reached
    from documents where not is_deleted
"""
_MEASURES = """
    count(*) as documents,
    count(*) filter (is_canonical) as canonical_documents,
    count(*) filter (is_scored) as scored_documents,
    avg(sentiment) filter (is_scored) as mean_sentiment,
    avg((sentiment_label = 'positive')::int) filter (is_scored) as positive_share,
    avg((sentiment_label = 'negative')::int) filter (is_scored) as negative_share,
    coalesce(sum(reached) filter (is_canonical), 0)::bigint as reach,
    sum(sentiment * reached) filter (is_scored) / sum(reached) filter (is_scored) as reach_weighted_sentiment
"""
_EMOTIONS = ", ".join(
    f"avg((emotion = '{one}')::int) filter (is_canonical and emotion is not null) as {one}_share" for one in EMOTIONS
)

SENTIMENT_HOURLY = f"""
select date_trunc('hour', created_at) as hour,
       if(grouping(source) = 1, '{EVERY}', source) as source, if(grouping(channel) = 1, '{EVERY}', channel) as channel,
       {_MEASURES}, event_date
from kept
group by grouping sets ((event_date, hour, source, channel), (event_date, hour, source), (event_date, hour))
having grouping(channel) = 1 or channel is not null
"""

ENTITY_DAILY = f"""
with named as (select * replace (unnest(entities) as entities) from kept)
select split_part(entities, ':', 1) as entity_type, substr(entities, strpos(entities, ':') + 1) as entity,
       {_MEASURES}, count(distinct source) as sources, event_date
from named where contains(entities, ':') and split_part(entities, ':', 1) not in {UNCOUNTED_ENTITIES}
group by event_date, entities
"""

SUBJECT_DAILY = f"""
with about as (
    select distinct document_id, subject_kind, subject from (
        select document_id, unnest(entities) as entity from kept
    ) join subjects using (entity)
    union all
    select document_id, 'place', place from kept where place is not null
)
select subject_kind as kind, subject, {_MEASURES}, count(distinct source) as sources, event_date
from about join kept using (document_id) group by event_date, subject_kind, subject
"""

SUBJECTS = f"""
create temp table subjects as
with names as (
    select distinct entity, split_part(entity, ':', 1) as label, substr(entity, strpos(entity, ':') + 1) as value
    from (select unnest(entities) as entity from documents where not is_deleted)
), told as (
    select entity, if(label = 'REPOSITORY', 'repository', 'asset') as subject_kind,
           case label when 'COIN' then coins.subject when 'TICKER' then
                if(value in (select symbol from coins), null, coalesce(tickers.subject, '{UNKNOWN_TICKER}' || value))
           else value end as subject
    from names left join coins on label = 'COIN' and value = coins.id left join tickers on value = tickers.ticker
    where label in ('ASSET', 'COIN', 'TICKER', 'REPOSITORY')
)
select * from told where subject is not null
"""

_ABOUT = f"""
    {_MEASURES}, count(distinct source) as sources,
    count(emotion) filter (is_canonical) as emotional_documents,
    {_EMOTIONS}
"""

TOPIC_DAILY = f"""
with fixed as (
    select event_date, topic, {_ABOUT} from kept where topic is not null group by event_date, topic
), discovered as (
    select event_date, topic_id as topic, {_ABOUT}
    from kept join document_topics using (document_id, event_date) group by event_date, topic_id
), sums as (
    select *, 'taxonomy' as scheme, topic as label from fixed
    union all by name
    select discovered.*, 'discovered' as scheme, label
    from discovered join topics on discovered.event_date = topics.event_date and topic = topic_id
), totals as (
    select event_date, count(*) filter (is_canonical) as total from kept group by event_date
)
select sums.*, canonical_documents / nullif(total, 0) as share_of_documents from sums join totals using (event_date)
"""

KEYWORD_DAILY = f"""
with said as (select * replace (unnest(keywords) as keywords) from kept), daily as (
    select event_date, keywords as keyword, {_MEASURES}, count(distinct source) as sources
    from said group by event_date, keywords
), totals as (
    select event_date, count(*) filter (is_canonical) as canonical from kept group by event_date
), scored as (
    select *, coalesce(sum(canonical_documents) over past, 0)::bigint as earlier_documents,
           coalesce(min(event_date) over past, event_date) as first_seen,
           (select coalesce(sum(canonical), 0) from totals
            where totals.event_date < daily.event_date
              and totals.event_date >= daily.event_date - interval {CORPUS_DAYS} day)::bigint as corpus
    from daily where canonical_documents > 0
    window past as (partition by keyword order by event_date
                    range between interval {CORPUS_DAYS} day preceding and interval 1 day preceding)
)
select * exclude (corpus), if(corpus = 0, null, earlier_documents = 0) as is_new,
       (1 + ln(canonical_documents)) * (ln((1 + corpus) / (1 + earlier_documents)) + 1) as tf_idf,
       row_number() over (partition by event_date order by tf_idf desc, canonical_documents desc, keyword) as rank
from scored where canonical_documents >= {MIN_DOCUMENTS}
qualify rank <= {MAX_KEYWORDS}
"""

COPIES = """
select source, stream, event_date, count(*) as rows from copies where not is_canonical group by all
"""

STATEMENTS: Mapping[str, tuple[str, ...]] = {
    "sentiment_hourly": (SENTIMENT_HOURLY,),
    "entity_daily": (ENTITY_DAILY,),
    "subject_daily": (SUBJECTS, SUBJECT_DAILY),
    "topic_daily": (TOPIC_DAILY,),
    "keyword_daily": (KEYWORD_DAILY,),
    "source_daily": (COPIES,),
}
"""By aggregate: what is run, the last of which gives the rows; of `source_daily` it is what documents tell."""


def by_sql(name: str, files: Mapping[str, Sequence[str]]) -> arrow.Table:
    """Rows of the aggregate `name`.

    Args:
        name: one of `STATEMENTS`.
        files: Parquet files by the name that the statements have for the table.
    """
    with duckdb.connect() as connection:
        connection.execute(f"set threads = {THREADS}")
        connection.execute("set timezone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        for table, paths in files.items():
            connection.read_parquet(list(paths), hive_partitioning=True).create_view(table)
        if name == "subject_daily":
            _register_assets(connection)
        *before, last = (_KEPT, *STATEMENTS[name])
        for statement in before:
            connection.execute(statement)
        return connection.sql(last).to_arrow_table()


def _register_assets(connection: duckdb.DuckDBPyConnection) -> None:
    coins = pd.DataFrame({"id": [coin.id for coin in COINS], "symbol": [coin.symbol for coin in COINS]})
    listed = pd.DataFrame({"source": "coingecko", "symbol": coins["id"], "asset_class": "crypto"})
    tickers = arrow.table({"ticker": list(asset_by_ticker()), "subject": list(asset_by_ticker().values())})
    connection.register("coins", arrow.Table.from_pandas(coins.assign(subject=asset_keys(listed, registry()))))
    connection.register("tickers", tickers)
