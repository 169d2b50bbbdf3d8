-- What analysts ask on the first day.

-- The indexes of tickers and candles begin with the symbol and cannot say which sources it has. These can: the views below
-- jump in them from one source and symbol to the next, instead of reading every row.
create index tickers_source_symbol_time on tickers (source, symbol, time desc);
create index candles_source_symbol_interval_time on candles (source, symbol, interval, time desc);

create view latest_tickers as
with recursive streams as (
  (select source, symbol from tickers order by source, symbol limit 1)
  union all
  select n.source, n.symbol from streams s cross join lateral (
    select t.source, t.symbol from tickers t where (t.source, t.symbol) > (s.source, s.symbol) order by t.source, t.symbol limit 1
  ) n
)
select l.* from streams s cross join lateral (
  select * from tickers t where t.source = s.source and t.symbol = s.symbol
  order by t.time desc, t.sequence desc nulls last, t.received_at desc limit 1
) l;
comment on view latest_tickers is 'The latest ticker of each source and symbol';

create view latest_candles as
with recursive streams as (
  (select source, symbol, interval from candles order by source, symbol, interval limit 1)
  union all
  select n.source, n.symbol, n.interval from streams s cross join lateral (
    select c.source, c.symbol, c.interval from candles c where (c.source, c.symbol, c.interval) > (s.source, s.symbol, s.interval)
    order by c.source, c.symbol, c.interval limit 1
  ) n
)
select l.* from streams s cross join lateral (
  select * from candles c where c.source = s.source and c.symbol = s.symbol and c.interval = s.interval order by c.time desc limit 1
) l;
comment on view latest_candles is 'The latest candle of each source, symbol and interval; it may still change where closed is false';

-- Ids are text; the longer of two numbers is the greater one.
create view trades_1m as
select source || '/trades' as source,
       symbol,
       time_bucket('1 minute', time) as time,
       max(received_at) as received_at,
       '1m'::text as interval,
       (array_agg(price order by time, length(id), id))[1] as open,
       max(price) as high,
       min(price) as low,
       (array_agg(price order by time desc, length(id) desc, id desc))[1] as close,
       sum(amount) as volume,
       sum(price * amount) as quote_volume,
       count(*) as trades,
       time_bucket('1 minute', time) + interval '1 minute' <= now() as closed
from trades
group by source, symbol, time_bucket('1 minute', time);
comment on view trades_1m is 'Candles of one minute, made from trades; ask for a symbol and a span of time';

create view open_gaps as
select source, symbol, channel, cause, from_time, to_time, from_sequence, to_sequence, time as noticed_at, now() - time as open_for
from gaps where state = 'open';
comment on view open_gaps is 'What is missing and still being fetched';
