create table options (
  source            text not null,
  symbol            text not null,
  time              timestamptz not null,
  received_at       timestamptz not null,
  bid               numeric,
  bid_amount        numeric,
  ask               numeric,
  ask_amount        numeric,
  last              numeric,
  mark              numeric,
  bid_iv            numeric,
  ask_iv            numeric,
  mark_iv           numeric,
  delta             numeric,
  gamma             numeric,
  vega              numeric,
  theta             numeric,
  rho               numeric,
  underlying_price  numeric,
  open_interest     numeric,
  volume            numeric
);

-- The only index: each one more costs COPY about a quarter of its speed. Analysts ask for one symbol and a span of time, newest
-- first; source is left to a filter, since a symbol has few sources and (source, symbol, ...) would not serve a query
-- across them.
select create_hypertable('options', by_range('time', interval '1 day'), create_default_indexes => false);
create index options_symbol_time on options (symbol, time desc);

comment on table options is 'An option''s prices, volatilities and greeks, each where the provider gives it. Identity: source, symbol, time, content.';
comment on column options.source is 'The provider''s name, e.g. binance';
comment on column options.symbol is 'Unified symbol, e.g. BTC/USD:BTC-251226-100000-C';
comment on column options.time is 'When it happened, by the provider''s clock; received_at where the provider gives none';
comment on column options.received_at is 'When the publisher saw it, by its own clock';
comment on column options.bid is 'Best bid, in the option''s quote';
comment on column options.bid_amount is 'Amount at the best bid, in contracts';
comment on column options.ask is 'Best ask, in the option''s quote';
comment on column options.ask_amount is 'Amount at the best ask, in contracts';
comment on column options.last is 'Price of the last trade, in the option''s quote';
comment on column options.mark is 'Mark price, in the option''s quote';
comment on column options.bid_iv is 'Implied volatility of the best bid, a year, as the provider counts it (Deribit: percent)';
comment on column options.ask_iv is 'Implied volatility of the best ask, a year, as the provider counts it';
comment on column options.mark_iv is 'Implied volatility of the mark price, a year, as the provider counts it';
comment on column options.delta is 'Change of the price for a change of 1 of the underlying';
comment on column options.gamma is 'Change of delta for a change of 1 of the underlying';
comment on column options.vega is 'Change of the price for one percent point of volatility';
comment on column options.theta is 'Change of the price for one day';
comment on column options.rho is 'Change of the price for one percent point of the interest rate';
comment on column options.underlying_price is 'Price of the underlying, in its quote';
comment on column options.open_interest is 'Open contracts';
comment on column options.volume is 'Traded in 24 hours, in contracts';
