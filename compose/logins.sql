-- Who logs in: the agents with what a store needs, Grafana to look. penstock's tables bring both roles (schemas/roles.sql).
\getenv store_password STORE_PASSWORD
\getenv grafana_password GRAFANA_PASSWORD
select format('create role %I', name)
from (values ('penstock_store'), ('grafana')) wanted (name)
where not exists (select from pg_roles where rolname = name)
\gexec
alter role penstock_store login password :'store_password';
alter role grafana login password :'grafana_password';
grant penstock_writer to penstock_store;
grant penstock_reader to grafana;
