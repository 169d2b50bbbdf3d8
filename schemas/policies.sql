-- requires timescaledb.license = timescale
-- What only TimescaleDB's community edition has: compression, and the 1-minute candles kept up to date.
-- The tables where the later one wins stay as they are: their rows still change.

alter table trades set (timescaledb.compress, timescaledb.compress_segmentby = 'source, symbol', timescaledb.compress_orderby = 'time desc');
alter table tickers set (timescaledb.compress, timescaledb.compress_segmentby = 'source, symbol', timescaledb.compress_orderby = 'time desc');
alter table books set (timescaledb.compress, timescaledb.compress_segmentby = 'source, symbol', timescaledb.compress_orderby = 'time desc');
alter table options set (timescaledb.compress, timescaledb.compress_segmentby = 'source, symbol', timescaledb.compress_orderby = 'time desc');
alter table odds set (timescaledb.compress, timescaledb.compress_segmentby = 'source, symbol', timescaledb.compress_orderby = 'time desc');
alter table stats set (timescaledb.compress, timescaledb.compress_segmentby = 'source, symbol, name', timescaledb.compress_orderby = 'time desc');

-- A week is left for what is back-filled.
select add_compression_policy('trades', interval '7 days');
select add_compression_policy('tickers', interval '7 days');
select add_compression_policy('books', interval '7 days');
select add_compression_policy('options', interval '7 days');
select add_compression_policy('odds', interval '7 days');
select add_compression_policy('stats', interval '7 days');

-- Like the view trades_1m; of trades at the same microsecond, any may count as the first or last.
create materialized view candles_1m_from_trades with (timescaledb.continuous, timescaledb.materialized_only = false) as
select source || '/trades' as source,
       symbol,
       time_bucket('1 minute', time) as time,
       max(received_at) as received_at,
       first(price, time) as open,
       max(price) as high,
       min(price) as low,
       last(price, time) as close,
       sum(amount) as volume,
       sum(price * amount) as quote_volume,
       count(*) as trades
from trades
group by source || '/trades', symbol, time_bucket('1 minute', time)
with no data;

select add_continuous_aggregate_policy('candles_1m_from_trades', start_offset => interval '3 days', end_offset => interval '1 minute',
                                       schedule_interval => interval '1 minute');
