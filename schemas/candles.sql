create table candles (
  source        text not null,
  symbol        text not null,
  time          timestamptz not null,
  received_at   timestamptz not null,
  interval      text not null,
  open          numeric not null,
  high          numeric not null,
  low           numeric not null,
  close         numeric not null,
  volume        numeric,
  quote_volume  numeric,
  trades        bigint,
  closed        boolean not null
);

-- Chunks of a month: daily candles of ten years are then 120 chunks, not 3,650.
-- The only index. It makes the identity unique (on conflict finds it whatever the order of its columns) and, in this order,
-- serves what analysts ask: one symbol and interval, newest first, from one source or compared across them.
select create_hypertable('candles', by_range('time', interval '30 days'), create_default_indexes => false);
create unique index candles_identity on candles (symbol, interval, time desc, source);

comment on table candles is 'Open, high, low, close of an interval. Identity: source, symbol, interval, time; the later one wins. Derived from trades: source ends with /trades.';
comment on column candles.source is 'The provider''s name, e.g. binance; with /trades at its end where derived from trades';
comment on column candles.symbol is 'Unified symbol, e.g. BTC/USDT, BTC/USDT:USDT, AAPL, EUR/USD';
comment on column candles.time is 'Open of the interval; days from 00:00 UTC unless the provider names a zone';
comment on column candles.received_at is 'When the publisher saw it, by its own clock';
comment on column candles.interval is 'Length of the interval: 1m, 5m, 1h, 1d, 1w, 1M';
comment on column candles.open is 'First price, in quote';
comment on column candles.high is 'Highest price, in quote';
comment on column candles.low is 'Lowest price, in quote';
comment on column candles.close is 'Last price, in quote';
comment on column candles.volume is 'Traded, in base';
comment on column candles.quote_volume is 'Traded, in quote';
comment on column candles.trades is 'Number of trades';
comment on column candles.closed is 'False while the candle may still change';
