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
  first_offset    bigint not null,
  next_offset     bigint not null,
  at              timestamptz not null default now(),
  primary key (consumer_group, topic, partition)
) with (fillfactor = 50);

-- One row an hour, not a transaction: adding it all up stays cheap for ever, so no row is ever dropped.
create table penstock.ledger (
  consumer_group  text not null,
  topic           text not null,
  partition       int not null,
  hour            timestamptz not null,
  instance        text not null,
  from_offset     bigint not null,
  to_offset       bigint not null,
  read            bigint not null,
  skipped         bigint not null,
  rewound         bigint not null,
  written         bigint not null,
  duplicate       bigint not null,
  dead            bigint not null,
  at              timestamptz not null default now(),
  primary key (consumer_group, topic, partition, hour)
) with (fillfactor = 50);

-- A table may hold fewer rows than the ledger wrote only where this says so.
create table penstock.retention (
  table_name      text primary key,
  dropped_chunks  bigint not null,
  dropped_before  timestamptz not null,
  at              timestamptz not null default now()
);

comment on schema penstock is 'What penstock keeps for itself';
comment on table penstock.migrations is 'Files of penstock''s schema that were applied (penstock db apply)';
comment on table penstock.offsets is 'The next offset that a store will read; moves in the same transaction as the rows';
comment on column penstock.offsets.first_offset is 'Where the ledger of the partition begins';
comment on table penstock.ledger is 'What stores did, per partition and hour: read = written + duplicate + dead; over all hours: offsets.next_offset - offsets.first_offset = read + skipped - rewound';
comment on column penstock.ledger.hour is 'In UTC; its transactions are added up';
comment on column penstock.ledger.instance is 'The store that wrote last';
comment on column penstock.ledger.from_offset is 'Where the first transaction of the hour began';
comment on column penstock.ledger.to_offset is 'The next offset after the last one';
comment on column penstock.ledger.skipped is 'Offsets that held no record for a store: ends of transactions, and what was aborted';
comment on column penstock.ledger.rewound is 'Offsets by which reading went back: the topic was made anew';
comment on table penstock.retention is 'What penstock has dropped because of its age';
comment on column penstock.retention.dropped_before is 'Only rows older than this were dropped';
