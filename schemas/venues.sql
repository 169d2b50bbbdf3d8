-- A plain table: the state of now. A hypertable's unique index would have to hold the time.
create table venues (
  source       text not null,
  symbol       text not null,
  time         timestamptz not null,
  received_at  timestamptz not null,
  code         text not null,
  name         text not null,
  country      text,
  timezone     text,
  currency     text,
  primary key (source, code)
);

comment on table venues is 'A place of trade. Identity: source, code; the later one wins.';
comment on column venues.source is 'The provider''s name, e.g. binance';
comment on column venues.symbol is 'The code again';
comment on column venues.time is 'As received_at';
comment on column venues.received_at is 'When the publisher saw it, by its own clock';
comment on column venues.code is 'MIC (ISO 10383) where there is one, else the provider''s code';
comment on column venues.name is 'What it is called';
comment on column venues.country is 'Country, as the provider spells it';
comment on column venues.timezone is 'Time zone, e.g. America/New_York';
comment on column venues.currency is 'Currency that it trades in';
