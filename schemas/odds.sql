create table odds (
  source               text not null,
  symbol               text not null,
  time                 timestamptz not null,
  received_at          timestamptz not null,
  event_id             text not null,
  event                text not null,
  sport                text not null,
  starts_at            timestamptz,
  bookmaker            text not null,
  market               text not null,
  outcome              text not null,
  point                numeric,
  price                numeric not null,
  implied_probability  numeric not null
);

-- The only index: analysts ask for one outcome and a span of time, newest first; bookmakers are compared within it.
select create_hypertable('odds', by_range('time', interval '1 day'), create_default_indexes => false);
create index odds_symbol_time on odds (symbol, time desc);

comment on table odds is 'A bookmaker''s price for one outcome of an event. Identity: source, symbol, bookmaker, time.';
comment on column odds.source is 'The provider''s name, e.g. binance';
comment on column odds.symbol is '<event id>/<market>/<outcome>, then /<point> where there is one; a / in an outcome is %2F';
comment on column odds.time is 'When the bookmaker changed it, by the provider''s clock';
comment on column odds.received_at is 'When the publisher saw it, by its own clock';
comment on column odds.event_id is 'The provider''s id of the event';
comment on column odds.event is 'What the event is called, e.g. home team v away team';
comment on column odds.sport is 'The provider''s word for the sport or league';
comment on column odds.starts_at is 'When the event starts';
comment on column odds.bookmaker is 'The provider''s word for the bookmaker';
comment on column odds.market is 'What is bet on: h2h, h2h_lay, spreads, totals, outrights, outrights_lay, ...';
comment on column odds.outcome is 'The outcome, as the provider names it';
comment on column odds.point is 'Handicap or total, in points of the sport';
comment on column odds.price is 'Decimal odds: paid for a stake of 1, the stake included';
comment on column odds.implied_probability is '1 / price, from 0 to 1, with 12 digits after the point';
