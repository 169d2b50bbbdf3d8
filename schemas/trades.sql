create table trades (
  source       text not null,
  symbol       text not null,
  time         timestamptz not null,
  received_at  timestamptz not null,
  id           text not null,
  side         text not null,
  price        numeric not null,
  amount       numeric not null
);

-- The only index: each one more costs COPY about a quarter of its speed. Analysts ask for one symbol and a span of time, newest
-- first; source is left to a filter, since a symbol has few sources and (source, symbol, ...) would not serve a query
-- across them.
select create_hypertable('trades', by_range('time', interval '1 day'), create_default_indexes => false);
create index trades_symbol_time on trades (symbol, time desc);

comment on table trades is 'One trade between a taker and a maker. Identity: source, symbol, id.';
comment on column trades.source is 'The provider''s name, e.g. binance';
comment on column trades.symbol is 'Unified symbol, e.g. BTC/USDT, BTC/USDT:USDT, AAPL, EUR/USD';
comment on column trades.time is 'When the trade happened, by the provider''s clock';
comment on column trades.received_at is 'When the publisher saw it, by its own clock';
comment on column trades.id is 'The provider''s id; a and its id for an aggregate of trades; ~ and 16 hex digits where the provider gives none';
comment on column trades.side is 'The taker''s side: buy or sell';
comment on column trades.price is 'Price of one unit of base, in quote; of a prediction, in terms of yes';
comment on column trades.amount is 'Amount, in base (contracts where the instrument counts in contracts)';
