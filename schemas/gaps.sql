create table gaps (
  source         text not null,
  symbol         text not null,
  time           timestamptz not null,
  received_at    timestamptz not null,
  channel        text not null,
  from_sequence  bigint,
  to_sequence    bigint,
  from_time      timestamptz not null,
  to_time        timestamptz not null,
  cause          text not null,
  state          text not null
);

-- Chunks of a month: gaps are few.
-- The only index. It makes the identity unique (on conflict finds it whatever the order of its columns) and, in this order,
-- serves what analysts ask: the gaps of one symbol, newest first.
select create_hypertable('gaps', by_range('from_time', interval '30 days'), create_default_indexes => false);
create unique index gaps_identity on gaps (symbol, from_time desc, source, channel);

comment on table gaps is 'Something that should have come and did not. Identity: source, symbol, channel, from_time; the later one wins.';
comment on column gaps.source is 'The provider''s name, e.g. binance';
comment on column gaps.symbol is 'Unified symbol; *: the whole connection';
comment on column gaps.time is 'When the gap was noticed or got this state';
comment on column gaps.received_at is 'When the publisher saw it, by its own clock';
comment on column gaps.channel is 'The provider''s channel, as in the raw record''s header; *: the whole connection';
comment on column gaps.from_sequence is 'First missing sequence or id';
comment on column gaps.to_sequence is 'Last missing sequence or id, inclusive';
comment on column gaps.from_time is 'Time of the last record seen before';
comment on column gaps.to_time is 'Time of the first record seen after';
comment on column gaps.cause is 'How it came about or was found: sequence, checksum, reconnect, late-join, stale, refused, spool-full';
comment on column gaps.state is 'open: being fetched; filled: it is there now; unfillable: the provider has no such history';
