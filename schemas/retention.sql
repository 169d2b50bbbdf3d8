-- Only the owner of a table may drop its chunks, and a store should not be the owner: this much of it is lent.
do $migration$
begin
  execute format($create$
    create function penstock.drop_chunks(kind text, days int) returns setof text
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $body$
    begin
      if days < 1 or kind <> all ('{trades,candles,tickers,books,options,odds,stats,gaps}') then
        raise exception 'penstock.drop_chunks takes a kind of record and at least 1 day, not %% and %%', kind, days;
      end if;
      return query select %1$I.drop_chunks(format('%%I.%%I', %2$L, kind)::regclass,
                                           older_than => now() - make_interval(days => drop_chunks.days))::text;
    end $body$ $create$,
    (select extnamespace::regnamespace::text from pg_extension where extname = 'timescaledb'),
    (select relnamespace::regnamespace::text from pg_class where oid = 'trades'::regclass));
end $migration$;
revoke all on function penstock.drop_chunks(text, int) from public;
comment on function penstock.drop_chunks(text, int) is 'Drops the chunks of a kind''s table that hold only what is older, and names them';
