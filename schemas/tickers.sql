create table tickers (
  source         text not null,
  symbol         text not null,
  time           timestamptz not null,
  received_at    timestamptz not null,
  sequence       bigint,
  bid            numeric,
  bid_amount     numeric,
  ask            numeric,
  ask_amount     numeric,
  last           numeric,
  mark           numeric,
  index          numeric,
  open           numeric,
  high           numeric,
  low            numeric,
  volume         numeric,
  quote_volume   numeric,
  open_interest  numeric,
  funding_rate   numeric,
  market_cap     numeric
);

-- The only index: each one more costs COPY about a quarter of its speed. Analysts ask for one symbol and a span of time, newest
-- first; source is left to a filter, since a symbol has few sources and (source, symbol, ...) would not serve a query
-- across them.
select create_hypertable('tickers', by_range('time', interval '1 day'), create_default_indexes => false);
create index tickers_symbol_time on tickers (symbol, time desc);

comment on table tickers is 'Best prices and the day''s figures, each where the provider gives it. Identity: source, symbol, sequence; without a sequence: source, symbol, time, content.';
comment on column tickers.source is 'The provider''s name, e.g. binance';
comment on column tickers.symbol is 'Unified symbol, e.g. BTC/USDT, BTC/USDT:USDT, AAPL, EUR/USD';
comment on column tickers.time is 'When it happened, by the provider''s clock; received_at where the provider gives none';
comment on column tickers.received_at is 'When the publisher saw it, by its own clock';
comment on column tickers.sequence is 'The provider''s number of this state of the book';
comment on column tickers.bid is 'Best bid, in quote';
comment on column tickers.bid_amount is 'Amount at the best bid, in base';
comment on column tickers.ask is 'Best ask, in quote';
comment on column tickers.ask_amount is 'Amount at the best ask, in base';
comment on column tickers.last is 'Price of the last trade, in quote';
comment on column tickers.mark is 'Mark price, in quote';
comment on column tickers.index is 'Price of the underlying index, in quote';
comment on column tickers.open is 'Price 24 hours ago (equities: open of the trading day), in quote';
comment on column tickers.high is 'Highest price of 24 hours (equities: of the trading day), in quote';
comment on column tickers.low is 'Lowest price of 24 hours (equities: of the trading day), in quote';
comment on column tickers.volume is 'Traded in 24 hours (equities: in the trading day), in base';
comment on column tickers.quote_volume is 'Traded in 24 hours (equities: in the trading day), in quote';
comment on column tickers.open_interest is 'Open contracts, in base (contracts where the instrument counts in contracts)';
comment on column tickers.funding_rate is 'The current funding rate, as a fraction of the position for one funding interval';
comment on column tickers.market_cap is 'Market capitalisation, in quote';
