create table stats (
  source       text not null,
  symbol       text not null,
  time         timestamptz not null,
  received_at  timestamptz not null,
  name         text not null,
  value        numeric not null,
  unit         text not null
);

-- The only index. Analysts ask for one figure over a span of time, newest first.
select create_hypertable('stats', by_range('time', interval '1 day'), create_default_indexes => false);
create index stats_symbol_name_time on stats (symbol, name, time desc);

comment on table stats is 'A global market figure or a provider''s quota. Identity: source, symbol, name, time.';
comment on column stats.source is 'The provider''s name, e.g. binance';
comment on column stats.symbol is 'What the figure is about; global: the whole market';
comment on column stats.time is 'When it happened, by the provider''s clock; received_at where the provider gives none';
comment on column stats.received_at is 'When the publisher saw it, by its own clock';
comment on column stats.name is 'What is measured';
comment on column stats.value is 'The figure, in the unit';
comment on column stats.unit is 'The value''s unit, e.g. USD, percent, requests';
