-- Compares lines source|kind|records on standard input (scripts/lib/recorded_counts.py) with view landed; fails where they differ.
-- Books may be fewer: the transformer leaves out updates that a snapshot covers.
create temp table recorded (source text, kind text, records bigint);
\copy recorded from pstdin with (delimiter '|')
create temp view compared as
  select source, kind, records as recorded, coalesce(landed.count, 0) as stored,
         case when records = coalesce(landed.count, 0) then 'equal'
              when kind = 'books' and landed.count between records * 0.99 and records then 'equal, but for what a snapshot covers'
              when records is null then 'from REST bodies' else 'DIFFERENT' end as verdict
  from recorded full join landed using (source, kind);
select * from compared order by source, kind;
do $$
begin
  if not exists (select from compared where verdict like 'equal%') then raise exception 'nothing was compared'; end if;
  if exists (select from compared where verdict = 'DIFFERENT') then raise exception 'what was stored is not what was recorded'; end if;
end $$;
