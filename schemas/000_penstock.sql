-- What penstock keeps for itself.
create schema penstock;

create table penstock.migrations (
  name        text primary key,
  checksum    text not null,
  applied_at  timestamptz not null default now()
);

-- fillfactor: a row changes in every transaction of a store, and its new version finds room on the same page.
create table penstock.offsets (
  consumer_group  text not null,
  topic           text not null,
  partition       int not null,
  next_offset     bigint not null,
  at              timestamptz not null default now(),
  primary key (consumer_group, topic, partition)
) with (fillfactor = 50);

create table penstock.ledger (
  at           timestamptz not null default now(),
  instance     text not null,
  topic        text not null,
  partition    int not null,
  from_offset  bigint,
  to_offset    bigint not null,
  read         bigint not null,
  written      bigint not null,
  duplicate    bigint not null,
  dead         bigint not null
);
select create_hypertable('penstock.ledger', by_range('at', interval '7 days'), create_default_indexes => false);

comment on schema penstock is 'What penstock keeps for itself';
comment on table penstock.migrations is 'Files of penstock''s schema that were applied (penstock db apply)';
comment on table penstock.offsets is 'The next offset that a store will read; moves in the same transaction as the rows';
comment on table penstock.ledger is 'One row per partition and transaction of a store: read = written + duplicate + dead';
comment on column penstock.ledger.from_offset is 'The first offset of the transaction; null: nothing was stored of the partition before';
comment on column penstock.ledger.to_offset is 'The next one after it';
