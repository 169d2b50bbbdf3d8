create table books (
  source             text not null,
  symbol             text not null,
  time               timestamptz not null,
  received_at        timestamptz not null,
  type               text not null,
  sequence           bigint,
  previous_sequence  bigint,
  bids               numeric[][] not null,
  asks               numeric[][] not null
);

-- The only index: each one more costs COPY about a quarter of its speed. Analysts ask for one symbol and a span of time, newest
-- first; source is left to a filter, since a symbol has few sources and (source, symbol, ...) would not serve a query
-- across them.
select create_hypertable('books', by_range('time', interval '1 day'), create_default_indexes => false);
create index books_symbol_time on books (symbol, time desc);

comment on table books is 'A whole order book (snapshot) or the levels of it that changed (update), in an order in which one may apply them. Identity: source, symbol, type, sequence; without a sequence: source, symbol, type, time, content.';
comment on column books.source is 'The provider''s name, e.g. binance';
comment on column books.symbol is 'Unified symbol, e.g. BTC/USDT, BTC/USDT:USDT, AAPL, EUR/USD';
comment on column books.time is 'The latest of the book''s level and event times, by the provider''s clock';
comment on column books.received_at is 'When the publisher saw it, by its own clock';
comment on column books.type is 'snapshot: the whole book; update: the levels that changed';
comment on column books.sequence is 'The book''s own number after this record';
comment on column books.previous_sequence is 'Sequence of the record that this one must follow';
comment on column books.bids is 'Bids as {price in quote, amount in base}, best first; amounts are absolute, 0 removes the level';
comment on column books.asks is 'Asks as {price in quote, amount in base}, best first; amounts are absolute, 0 removes the level';
