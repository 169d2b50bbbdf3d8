-- How many records of each provider and kind there are.
create or replace view landed as
  select source, 'trades' as kind, count(*) from trades group by 1 union all select source, 'tickers', count(*) from tickers group by 1
  union all select source, 'books', count(*) from books group by 1 union all select source, 'candles', count(*) from candles group by 1
  union all select source, 'instruments', count(*) from instruments group by 1 union all select source, 'stats', count(*) from stats group by 1;
