-- requires roles = penstock_writer, penstock_reader
-- What a store needs, and what those need who only look. Nobody logs in as one of them: `grant penstock_writer to my_store`.
do $migration$
declare
  name text;
begin
  foreach name in array '{penstock_writer,penstock_reader}'::text[] loop
    begin
      if not exists (select from pg_roles where rolname = name) then
        execute format('create role %I nologin', name);
      end if;
    exception when duplicate_object or unique_violation then
      null;  -- Roles belong to the server: another of its databases was quicker.
    end;
  end loop;
  -- Servers that were made stricter do not give these to everybody.
  execute format('grant connect, temporary on database %I to penstock_writer', current_database());
  execute format('grant connect on database %I to penstock_reader', current_database());
  execute format('grant usage on schema %s, penstock to penstock_writer, penstock_reader',
                 (select relnamespace::regnamespace from pg_class where oid = 'trades'::regclass));
  -- Only TimescaleDB's community edition has it.
  if to_regclass('candles_1m_from_trades') is not null then
    grant select on candles_1m_from_trades to penstock_reader;
  end if;
end $migration$;

grant select on all tables in schema penstock to penstock_writer, penstock_reader;
grant insert, update on penstock.offsets, penstock.ledger, penstock.retention to penstock_writer;
grant execute on function penstock.drop_chunks(text, int) to penstock_writer;

-- Read, too: the stage of a batch is made like its table, and what is back-filled is compared with what is there.
grant select, insert on trades, tickers, books, options, odds, stats to penstock_writer;
grant select, insert, update on candles, instruments, venues, gaps to penstock_writer;

grant select on trades, candles, tickers, books, options, odds, instruments, venues, stats, gaps to penstock_reader;
grant select on latest_tickers, latest_candles, trades_1m, open_gaps to penstock_reader;
