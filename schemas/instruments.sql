-- A plain table: the state of now. A hypertable's unique index would have to hold the time.
create table instruments (
  source         text not null,
  symbol         text not null,
  time           timestamptz not null,
  received_at    timestamptz not null,
  class          text not null,
  native_symbol  text not null,
  name           text,
  base           text,
  quote          text,
  settle         text,
  venue          text,
  price_tick     numeric,
  amount_step    numeric,
  contract_size  numeric,
  expiry         timestamptz,
  strike         numeric,
  option_type    text,
  active         boolean not null,
  event          text,
  primary key (source, symbol)
);

comment on table instruments is 'What can be traded, and how the provider spells it. Identity: source, symbol; the later one wins.';
comment on column instruments.source is 'The provider''s name, e.g. binance';
comment on column instruments.symbol is 'Unified symbol, e.g. BTC/USDT, BTC/USDT:USDT, AAPL, EUR/USD';
comment on column instruments.time is 'As received_at';
comment on column instruments.received_at is 'When the publisher saw it, by its own clock';
comment on column instruments.class is 'spot, swap, future, option, combo, equity, etf, fund, fx, commodity, bond, index, prediction';
comment on column instruments.native_symbol is 'The symbol as the provider spells it';
comment on column instruments.name is 'What it is called';
comment on column instruments.base is 'What is traded';
comment on column instruments.quote is 'What prices are in';
comment on column instruments.settle is 'What is paid in';
comment on column instruments.venue is 'Code of the venue where it is traded; MIC where there is one';
comment on column instruments.price_tick is 'Smallest step of prices, in quote';
comment on column instruments.amount_step is 'Smallest step of amounts, in base or contracts';
comment on column instruments.contract_size is 'Size of one contract, in base (in quote where it is inverse)';
comment on column instruments.expiry is 'When it expires';
comment on column instruments.strike is 'Strike price, in quote';
comment on column instruments.option_type is 'call or put';
comment on column instruments.active is 'False where it cannot be traded now';
comment on column instruments.event is 'The event that a prediction is about';
