-- Compares what a simulator says it sent (its --truth FILE) with what the tables hold, by identity and by value.
--   psql URL -X -f scripts/lib/truth.sql < FILE          fails (exit 3) where anything is missing, extra or different
-- A truth line is {"kind":…,"record":…}; `received_at` is the publisher's own and is not compared; neither are `time` and
-- `closed` where the provider does not say them. Numbers are compared as spelled: 0.10 is not 0.1.
-- Where the later one wins, the last line of an identity counts. A book update may be left out where a stored snapshot
-- covers it (its sequence is at or above the update's), and a snapshot where the book went on beyond it: the transformer
-- drops those.
\set ON_ERROR_STOP on
\set QUIET on
set client_min_messages = warning;
create temp table truth_lines (number bigserial, line text);
\copy truth_lines (line) from pstdin with (format csv, quote e'\x01', delimiter e'\x02')
create temp table truth as
  select number, line::jsonb ->> 'kind' as kind, line::jsonb -> 'record' as record
  from truth_lines where line::jsonb ? 'record';
create temp table comparison (source text, kind text, sent bigint, stored bigint, missing bigint, extra bigint, covered bigint);

do $$
declare
  one record;
  identity text;
  ignored text[];
begin
  for one in
    select record ->> 'source' as source, kind, bool_or(not record ? 'time') as timeless, bool_or(not record ? 'closed') as closed_unsaid
    from truth group by 1, 2 order by 1, 2
  loop
    identity := case one.kind
      when 'candles' then $i$ record ->> 'symbol', record ->> 'interval', record ->> 'time' $i$
      when 'instruments' then $i$ record ->> 'symbol' $i$
      when 'venues' then $i$ record ->> 'code' $i$
      else $i$ number $i$ end;
    ignored := array['received_at'] || case when one.timeless then array['time'] else '{}' end
                                    || case when one.closed_unsaid then array['closed'] else '{}' end;
    execute format($q$
      create temp table sent_rows on commit drop as
        select (to_jsonb(jsonb_populate_record(null::%1$I, record)) - $2)::text as content,
               record ->> 'symbol' as symbol, record ->> 'type' as type, (record ->> 'sequence')::bigint as sequence
        from (select distinct on (%2$s) record, number from truth
              where kind = %1$L and record ->> 'source' = $1 order by %2$s, number desc) last_of_identity;
      $q$, one.kind, identity) using one.source, ignored;
    execute format($q$
      create temp table stored_rows on commit drop as
        select (to_jsonb(row_) - $2)::text as content from %I row_ where source = $1 $q$, one.kind) using one.source, ignored;
    create temp table missing_rows on commit drop as
      select sent_rows.* from sent_rows left join stored_rows using (content) where stored_rows.content is null;
    insert into comparison
      select one.source, one.kind, (select count(*) from sent_rows), (select count(*) from stored_rows),
             (select count(*) from missing_rows),
             (select count(*) from stored_rows) - (select count(*) from sent_rows) + (select count(*) from missing_rows), 0;
    if one.kind = 'books' then
      update comparison set covered = (
          select count(*) from missing_rows
          where exists (select from books where books.source = one.source and books.symbol = missing_rows.symbol
                          and books.sequence >= missing_rows.sequence
                          and (books.type = 'snapshot' or missing_rows.type = 'snapshot')))
        where comparison.source = one.source and comparison.kind = 'books';
      update comparison set missing = missing - covered where comparison.source = one.source and comparison.kind = 'books';
    end if;
    drop table sent_rows, stored_rows, missing_rows;
  end loop;
end $$;

\pset footer off
select source, kind, sent, stored, missing, extra, covered as "left out (the book is beyond)",
       case when missing = 0 and extra = 0 then 'equal' else 'DIFFERENT' end as verdict
from comparison order by source, kind;
do $$
begin
  if not exists (select from comparison where sent > 0) then
    raise exception 'the truth file holds nothing: nothing was compared';
  end if;
  if exists (select from comparison where missing <> 0 or extra <> 0) then
    raise exception 'what was stored is not what was sent';
  end if;
end $$;
