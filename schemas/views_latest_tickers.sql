-- requires timescaledb >= 2.18
-- latest_tickers must know which streams there are without reading every row. It jumped from one to the next in an index on
-- (source, symbol, time desc), for which every row paid; a table says the same now, and a row pays a quarter of that. (Statement
-- triggers that see a hypertable's new rows came with 2.18; with an older one the index and the view stay as they were.)

-- Wherever the tables are; and locked in the order of who reads the view.
select set_config('search_path', relnamespace::regnamespace || ', ' || current_setting('search_path'), true)
from pg_class where oid = 'tickers'::regclass;
lock table latest_tickers in access exclusive mode;

-- fillfactor: a row changes every minute, and its new version finds room on the same page.
create table penstock.tickers_seen (
  source  text not null,
  symbol  text not null,
  until   timestamptz not null,
  primary key (source, symbol)
) with (fillfactor = 50);
comment on table penstock.tickers_seen is 'Which sources and symbols tickers has had, whoever wrote them; latest_tickers begins with it';
comment on column penstock.tickers_seen.until is 'The end of the minute of the latest ticker: none is at or after it';

insert into penstock.tickers_seen select source, symbol, date_trunc('minute', time, 'UTC') + interval '1 minute' from latest_tickers;

-- With its owner's rights: who may insert tickers needs none on tickers_seen.
create function penstock.note_tickers() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $body$
begin
  insert into penstock.tickers_seen as seen (source, symbol, until)
  select n.source, n.symbol, n.until
  from (
    select source, symbol, date_trunc('minute', max(time), 'UTC') + interval '1 minute' as until from noted group by source, symbol
  ) n
  where not exists (select from penstock.tickers_seen s where s.source = n.source and s.symbol = n.symbol and s.until >= n.until)
  order by n.source, n.symbol
  on conflict (source, symbol) do update set until = excluded.until where excluded.until > seen.until;
  return null;
end $body$;
revoke all on function penstock.note_tickers() from public;
comment on function penstock.note_tickers() is 'Keeps penstock.tickers_seen, once for each statement that inserts or changes tickers';

create trigger tickers_seen after insert on tickers
  referencing new table as noted for each statement execute function penstock.note_tickers();
create trigger tickers_seen_of_changed after update on tickers
  referencing new table as noted for each statement execute function penstock.note_tickers();

-- From the end of that minute back, the first row of the source has the latest time. Which of those of that time is asked in a second
-- step: sorting by more than the index has would read on, to the source's next time, however far back that is.
create or replace view latest_tickers as
select s.source, s.symbol, l.time, l.received_at, l.sequence, l.bid, l.bid_amount, l.ask, l.ask_amount, l.last, l.mark, l.index, l.open,
       l.high, l.low, l.volume, l.quote_volume, l.open_interest, l.funding_rate, l.market_cap
from penstock.tickers_seen s cross join lateral (
  select t.time from tickers t where t.source = s.source and t.symbol = s.symbol and t.time < s.until order by t.time desc limit 1
) latest cross join lateral (
  select * from tickers t where t.source = s.source and t.symbol = s.symbol and t.time = latest.time
  order by t.sequence desc nulls last, t.received_at desc limit 1
) l;

drop index if exists tickers_source_symbol_time;

-- Streams of which retention took the last row are gone; else those of markets that came and went would be looked for ever after.
do $migration$
begin
  execute format($create$
    create function penstock.forget_tickers() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $body$
    begin
      delete from penstock.tickers_seen s
      where s.until <= new.dropped_before
        and not exists (select from %s.tickers t where t.source = s.source and t.symbol = s.symbol and t.time < s.until);
      return null;
    end $body$ $create$,
    (select relnamespace::regnamespace::text from pg_class where oid = 'tickers'::regclass));
end $migration$;
revoke all on function penstock.forget_tickers() from public;
comment on function penstock.forget_tickers() is 'Takes what tickers has no row of any more out of penstock.tickers_seen, when chunks of it were dropped';

create trigger tickers_seen after insert or update on penstock.retention
  for each row when (new.table_name = 'tickers') execute function penstock.forget_tickers();

-- To whom the tables belong, whoever does this; and read by those who read the rest, where they are here.
do $migration$
declare
  owner constant text := (select relowner::regrole from pg_class where oid = 'tickers'::regclass);
  reader text;
begin
  execute format('alter table penstock.tickers_seen owner to %s', owner);
  execute format('alter function penstock.note_tickers() owner to %s', owner);
  execute format('alter function penstock.forget_tickers() owner to %s', owner);
  for reader in select quote_ident(rolname) from pg_roles where rolname in ('penstock_writer', 'penstock_reader') loop
    execute format('grant select on penstock.tickers_seen to %s', reader);
  end loop;
end $migration$;
