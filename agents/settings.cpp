#include "agents/settings.hpp"

#include "agents/provider.hpp"
#include "schemas/kinds.hpp"
#include "streaming/http/server.hpp"

#include <algorithm>
#include <charconv>
#include <ranges>

namespace penstock {

namespace {

using Type = Setting::Type;
constexpr std::int64_t a_day_ms = 86'400'000;
/// What made these letters may go away without a new version of penstock: an instrument is listed, a database is mended.
std::vector<std::string> healing_reasons() {
  return {std::string{reason::unknown_symbol}, std::string{reason::rejected_by_database}};
}

Setting text(std::string key, std::string fallback, std::string help) {
  return {.key = std::move(key), .type = Type::text, .fallback = std::move(fallback), .help = std::move(help)};
}
Setting text_of(std::string key, std::string fallback, std::string form, bool (*has_form)(std::string_view), std::string help) {
  auto setting = text(std::move(key), std::move(fallback), std::move(help));
  setting.form = std::move(form);
  setting.has_form = has_form;
  return setting;
}
Setting secret(std::string key, std::string help) {
  return {.key = std::move(key), .type = Type::text, .help = std::move(help), .secret = true};
}
Setting integer(std::string key, std::int64_t fallback, std::int64_t least, std::int64_t most, std::string help) {
  return {.key = std::move(key),
          .type = Type::integer,
          .fallback = std::to_string(fallback),
          .help = std::move(help),
          .least = least,
          .most = most};
}
Setting hours(std::string key, std::int64_t fallback, std::string help) {
  return integer(std::move(key), fallback, -1, 876'000, std::move(help));
}
Setting boolean(std::string key, bool fallback, std::string help) {
  return {.key = std::move(key), .type = Type::boolean, .fallback = fallback ? "true" : "false", .help = std::move(help)};
}
Setting list(std::string key, std::string fallback, std::string help, std::vector<std::string> choices = {}) {
  return {.key = std::move(key),
          .type = Type::list,
          .fallback = std::move(fallback),
          .help = std::move(help),
          .choices = std::move(choices)};
}
Setting choice(std::string key, std::string fallback, std::string help, std::vector<std::string> choices) {
  return {.key = std::move(key),
          .type = Type::choice,
          .fallback = std::move(fallback),
          .help = std::move(help),
          .choices = std::move(choices)};
}

Setting of_up(Setting setting) {
  setting.only_up = true;
  return setting;
}
Setting enabled(std::string const& section, std::string const& what) {
  return of_up(boolean(section + ".enabled", true, "Whether `penstock up` starts " + what));
}
Setting count(std::string const& section, std::string const& help) { return of_up(integer(section + ".count", 1, 1, 64, help)); }

// host, host:port, [::1]:port, and before them librdkafka's SSL:// and the like.
bool is_broker(std::string_view text) {
  if (auto const scheme = text.find("://"); scheme != text.npos) {
    if (!std::ranges::all_of(text.substr(0, scheme), [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; })) return false;
    text.remove_prefix(scheme + 3);
  }
  auto const colon = text.starts_with('[') ? text.find(':', std::min(text.size(), text.find(']'))) : text.find(':');
  auto const host = text.substr(0, colon);
  if (host.empty() || host.find_first_of(" \t/@") != host.npos) return false;
  if (colon == text.npos) return true;
  auto const number = text.substr(colon + 1);
  unsigned port = 0;
  auto const [end, error] = std::from_chars(number.data(), number.data() + number.size(), port);
  return error == std::errc{} && end == number.data() + number.size() && port >= 1 && port <= 65'535;
}

bool are_brokers(std::string_view text) {
  return !text.empty() && std::ranges::all_of(std::views::split(text, ','), [](auto const part) {
    std::string_view broker{part};
    while (broker.starts_with(' ')) broker.remove_prefix(1);
    while (broker.ends_with(' ')) broker.remove_suffix(1);
    return is_broker(broker);
  });
}

// Empty: the provider's own.
bool is_http_url(std::string_view text) { return text.empty() || text.starts_with("http://") || text.starts_with("https://"); }
bool is_websocket_url(std::string_view text) { return text.empty() || text.starts_with("ws://") || text.starts_with("wss://"); }

bool is_listen(std::string_view text) { return text == "off" || http::is_listen_address(text); }

/// All that a [topics."NAME"] section may be about.
std::vector<std::string> topic_names() {
  std::vector<std::string> names;
  for (auto const& provider : provider_names()) names.push_back("raw." + provider);
  for (auto const kind : kind_names) names.push_back("md." + std::string{kind});
  for (std::size_t i = 0, count = names.size(); i < count; ++i) names.push_back(names[i] + ".dead");
  names.insert(names.end(), {"penstock.ledger", "penstock.dead"});
  return names;
}

std::vector<std::string> kinds() { return {kind_names.begin(), kind_names.end()}; }

std::vector<Setting> made() {
  std::vector<Setting> all{
      text_of("kafka.brokers", "127.0.0.1:9092", "host:port, several separated by commas", are_brokers,
              "Where the log is: host:port, several separated by commas. Example: redpanda-0:9092,redpanda-1:9092"),
      boolean("kafka.transactions", true,
              "Output and offsets move together. false: for brokers that have no transactions (the embedded one)"),
      integer("kafka.pace_bytes_max", 0, 0, 1'000'000'000'000,
              "Bytes that may wait in a partition for the group that reads it; more pauses the producer. 0: no pacing. Example: "
              "2000000"),
      integer("kafka.partitions", 4, 1, 10'000,
              "Partitions of each raw and md topic that penstock makes; the most processes that can share the work"),
      integer("kafka.replication", 1, 1, 100, "Copies of each topic that penstock makes; 3 where there are three brokers"),
      integer("kafka.min_insync_replicas", 1, 1, 100,
              "Copies of each topic that must have a record before it counts as written; 2 where kafka.replication is 3"),
      choice("kafka.compression", "producer", "How brokers keep records; producer: as they come, which is lz4",
             {"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"}),
      hours("kafka.raw_retention_hours", 7 * 24, "Hours that raw.<provider> topics keep what was published; -1: for ever"),
      hours("kafka.md_retention_hours", 7 * 24,
            "Hours that md.<kind> topics keep records; -1: for ever. md.gaps keeps them for 30 days at least"),
      hours("kafka.dead_retention_hours", 30 * 24,
            "Hours that dead letters are kept; -1: for ever. What was done with them is kept twice as long"),
      integer(
          "kafka.wait_ms_max", 10'000, 0, a_day_ms,
          "Milliseconds that an agent waits for a broker when it starts; 0: without end, as those do that `penstock up` starts. "
          "A publisher with a spool does not wait. Example: 60000"),
      integer("kafka.session_timeout_ms", 10'000, 1'000, 1'800'000,
              "Milliseconds without a sign of life until the group gives an agent's partitions to others; the broker's "
              "group.min.session.timeout.ms must allow it"),
      list("kafka.properties", "",
           "More properties of librdkafka, name=value each; they win over what penstock sets. Example: socket.timeout.ms=30000"),
      boolean("kafka.tls", false, "The brokers speak TLS; their certificates are verified, the host's name included"),
      text("kafka.tls_ca_file", "",
           "File with the certificates that brokers are verified with (PEM); empty: the system's. Example: "
           "/etc/penstock/kafka-ca.pem"),
      text("kafka.tls_certificate_file", "",
           "File with this client's own certificate (PEM), where brokers ask for one. Example: /etc/penstock/client.pem"),
      text("kafka.tls_key_file", "",
           "File with the private key of kafka.tls_certificate_file (PEM), which others may not read. Example: "
           "/etc/penstock/client.key"),
      choice("kafka.sasl_mechanism", "none", "How this user proves who it is. PLAIN sends the password, so it needs kafka.tls",
             {"none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}),
      text("kafka.sasl_username", "", "User for kafka.sasl_mechanism. Example: penstock"),
      secret("kafka.sasl_password", "password of kafka.sasl_username"),

      text("database.url", "postgresql://penstock@127.0.0.1:5432/penstock",
           "Where TimescaleDB is, as a libpq URL. Example: postgresql://penstock@db:5432/penstock"),
      secret("database.password", "password for database.url"),
      choice("database.tls_mode", "auto",
             "auto: verify-full, but for a database on this machine what it offers. verify-full: TLS with a certificate of "
             "database.tls_ca_file, for the host of database.url; verify-ca: for any host; require: TLS with anybody; disable: "
             "none",
             {"auto", "disable", "require", "verify-ca", "verify-full"}),
      text("database.tls_ca_file", "",
           "File with the certificates that the database is verified with (PEM); empty: the system's. Example: "
           "/etc/penstock/database-ca.pem"),
      text("database.tls_certificate_file", "",
           "File with this client's own certificate (PEM), where the database asks for one. Example: /etc/penstock/client.pem"),
      text("database.tls_key_file", "",
           "File with the private key of database.tls_certificate_file (PEM), which others may not read. Example: "
           "/etc/penstock/client.key"),

      choice("log.level", "info", "Least level that is logged to stderr", {"debug", "info", "warning", "error"}),
      choice("log.format", "logfmt", "How a log line looks: key=value words, or one JSON object", {"logfmt", "json"}),

      text_of("http.listen", "off", "ADDRESS:PORT, such as 127.0.0.1:9464 or [::1]:9464, or off", is_listen,
              "Address and port at which /livez, /readyz and /metrics are served, plain and without a password; off: nowhere; "
              "port 0: "
              "any that is free. `penstock up` serves those of all its agents there. Example: 127.0.0.1:9464"),
      integer("health.lag_records_max", 100'000, 0, 1'000'000'000'000,
              "Records that may wait for an agent until /readyz says that it is not ready; 0: any number. Example: 1000000"),
      integer("health.dead_per_minute_max", 60, 0, 1'000'000'000,
              "Dead letters of an agent within a minute until /readyz says that it is not ready; 0: any number. Example: 600"),
      integer("health.turn_ms_max", 60'000, 1'000, a_day_ms,
              "Milliseconds that an agent's loop may take to come round until /livez says that it hangs. Example: 120000"),

      integer("status.fd", -1, -1, 1'000'000,
              "Descriptor to write one JSON line of metrics to, each second; -1: none. `penstock up` sets it"),
      integer(
          "status.instance", 0, 0, 64,
          "Which of several of its kind this agent is; 0: the only one. `penstock up` sets it, so that each is known by its own "
          "name in the log and in its group"),

      of_up(text("up.socket", "",
                 "Socket at which `penstock ctl` reaches `penstock up`; empty: one named after the configuration file, in "
                 "$RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /tmp; none: there is none. Example: /run/penstock/up.sock")),
      of_up(integer("up.stop_ms_max", 4'400, 1'000, 600'000,
                    "Milliseconds that all agents together may take to end in order; then they are killed")),
      of_up(integer(
          "up.wait_ms_max", 0, 0, a_day_ms,
          "Milliseconds that `penstock up` waits for broker and database when it starts; 0: without end. Example: 60000")),

      enabled("publish.*", "this publisher"),
      count("publish.*", "How many of it; more than one bring in the same, so that one may fall out: each record is stored once"),
      list("publish.*.symbols", "",
           "What to bring in, unified symbols; empty: the provider's defaults (`penstock list`). Example: BTC/USDT,ETH/USDT"),
      list("publish.*.channels", "",
           "Which channels of the provider; empty: its defaults (`penstock list`). Example: trade,depth"),
      list("publish.*.intervals", "1m", "Candle intervals of candle channels. Example: 1m,1h",
           {"1m", "5m", "1h", "1d", "1w", "1M"}),
      integer("publish.*.poll_interval_ms", 0, 0, a_day_ms,
              "Milliseconds between two polls of the same thing; 0: the provider's default. Example: 60000"),
      integer(
          "publish.*.silence_ms_max", 0, 0, a_day_ms,
          "Milliseconds without data until a stream is stale: told, subscribed anew, connected anew; 0: the provider's default. "
          "Polls are stale after two of their intervals. Example: 600000"),
      text_of("publish.*.http_url", "", "a URL that begins with http:// or https://", is_http_url,
              "Base URL of its HTTP interface; empty: the provider's own. Example: http://127.0.0.1:8080"),
      text_of("publish.*.websocket_url", "", "a URL that begins with ws:// or wss://", is_websocket_url,
              "Base URL of its websocket; empty: the provider's own. Example: ws://127.0.0.1:8080"),
      secret("publish.*.api_key", "key for providers that want one"),
      text("publish.*.ca_file", "",
           "File with the certificates to trust (PEM); empty: the system's. Example: /etc/ssl/private-ca.pem"),

      text_of("schema_registry.url", "", "a URL that begins with http:// or https://", is_http_url,
              "Where the JSON Schemas of md.<kind> are registered: Confluent's API, which Redpanda has, too; empty: nowhere. "
              "Example: http://redpanda:8081"),
      text("schema_registry.user", "", "User of the schema registry; empty: it asks for none. Example: penstock"),
      secret("schema_registry.password", "password of schema_registry.user"),
      text("schema_registry.tls_ca_file", "",
           "File with the certificates that the registry is verified with (PEM); empty: the system's. Example: "
           "/etc/penstock/registry-ca.pem"),

      text("spool.folder", "",
           "Folder where publishers keep records while the broker is away; empty: spool in $STATE_DIRECTORY, else in "
           "$XDG_STATE_HOME/penstock, else in ~/.local/state/penstock. Example: /var/lib/penstock/spool"),
      integer("spool.bytes_max", 4'000'000'000, 0, 1'000'000'000'000'000,
              "Bytes that each publisher may keep there; 0: none, the provider then waits. Example: 20000000000"),

      enabled("transform", "transformers"),
      count("transform", "How many transformers share the work; kafka.partitions is the most that have any"),
      list("transform.providers", "",
           "Which raw.<provider> topics to read; empty: those with a [publish.<provider>] section, else all. Example: "
           "binance,coingecko",
           provider_names()),
      text("transform.group", "penstock-transform", "Consumer group; processes of one group share the work"),
      integer("transform.commit_ms_max", 10, 1, 60'000,
              "Milliseconds until what was transformed is committed, where little comes; under load up to 100, behind up to 500"),
      integer("transform.commit_count_max", 100'000, 1, 1'000'000, "Records until what was transformed is committed"),
      integer("transform.window_records", 100'000, 1'000, 100'000'000,
              "Records of a partition that duplicates are looked for in, and that are read again after a restart"),
      integer("transform.hold_ms_max", 5'000, 0, 600'000, "Milliseconds that book updates wait for their snapshot"),
      integer("transform.grace_ms_max", 2'000, 0, 10'000,
              "Milliseconds until what one of two publishers of the same feed jumped over is a gap: the other one may bring it"),
      integer("transform.catalogue_wait_ms_max", 30'000, 0, 600'000,
              "Milliseconds that records wait for their symbol to appear in the instrument catalogue"),

      enabled("store", "stores"),
      count("store", "How many stores share the work; kafka.partitions is the most that have any"),
      list("store.kinds", "", "Which md.<kind> topics to store; empty: all. Example: trades,candles", kinds()),
      text("store.group", "penstock-store", "Consumer group; processes of one group share the work"),
      integer("store.batch_count_max", 50'000, 1, 10'000'000, "Records until a batch is written"),
      integer("store.batch_bytes_max", 20'971'520, 1'024, 1'073'741'824,
              "Bytes, of rows and of the records that they came from, until a batch is written"),
      integer("store.batch_age_ms_max", 50, 1, 600'000, "Milliseconds until a batch is written, though more comes all the time"),

      integer("dead.max_attempts", 5, 1, 1'000, "A dead letter that failed so many times is not replayed any more"),
      list("dead.retry_reasons", "",
           "Dead letters with these reasons are replayed by themselves (`penstock dead retry`, which `penstock up` then starts); "
           "empty: none. Example: unknown-symbol",
           healing_reasons()),
      integer("dead.retry_after_ms", 60'000, 100, a_day_ms,
              "Milliseconds after a letter's failure until it is replayed; doubles with each further failure"),
      integer("dead.retry_after_ms_max", 3'600'000, 100, 30 * a_day_ms, "The most that these milliseconds grow to"),
      integer("audit.every_ms", 300'000, 0, a_day_ms,
              "Milliseconds between two audits that `penstock up` makes by itself (`penstock audit --repeat`); 0: none, as where "
              "kafka.transactions is false"),
  };
  for (auto& one : {integer("topics.*.partitions", 0, 0, 10'000, "Partitions of this topic; 0: kafka.partitions. Example: 12"),
                    integer("topics.*.replication", 0, 0, 100, "Copies of this topic; 0: kafka.replication. Example: 3"),
                    integer("topics.*.retention_hours", 0, -1, 876'000,
                            "Hours that this topic keeps records; 0: as all of its kind, -1: for ever. Example: 48"),
                    choice("topics.*.compression", "default", "How brokers keep this topic's records; default: kafka.compression",
                           {"default", "producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"})}) {
    all.push_back(one);
    all.back().names = topic_names();
  }
  for (auto const& kind : kinds())
    all.push_back(integer("retention." + kind + "_days", 0, 0, 36'500,
                          "Days that rows of " + kind + " are kept; 0: for ever. Example: 90"));
  return all;
}

}  // namespace

std::vector<Setting> const& all_settings() {
  static std::vector<Setting> const all = made();
  return all;
}

std::vector<std::string> provider_names() {
  std::vector<std::string> names;
  for (auto const* provider : all_providers()) names.emplace_back(provider->name());
  return names;
}

std::string_view section_help(std::string_view section) {
  if (section == "kafka") return "The log: Redpanda or any Kafka";
  if (section.starts_with("topics.")) return "What is different in one topic: [topics.\"md.trades\"]";
  if (section == "schema_registry") return "Where readers of md.<kind> find what a record looks like";
  if (section == "database") return "The store: PostgreSQL with TimescaleDB";
  if (section == "log") return "What is written to stderr";
  if (section == "http") return "Where health and metrics are served";
  if (section == "health") return "When an agent is not well";
  if (section == "status") return "Reports to the process that started this one";
  if (section == "up") return "The process that starts all agents and keeps them running";
  if (section.starts_with("publish.")) return "What a publisher brings in; `penstock up` starts one each";
  if (section == "spool") return "Where publishers keep records while the broker is away";
  if (section == "transform") return "From raw.<provider> to md.<kind>";
  if (section == "store") return "From md.<kind> to the tables";
  if (section == "dead") return "What failed, and what is done with it";
  if (section == "audit") return "The proof that it adds up";
  if (section == "retention") return "How long rows are kept";
  return {};
}

std::vector<std::string> stored_kinds(Config const& config) {
  auto const asked = config.list("store.kinds");
  return asked.empty() ? kinds() : asked;
}

Config load_config(std::string const& file, std::map<std::string, std::string> const& flags,
                   std::map<std::string, std::string> const& spelled, std::optional<std::string> const& text) {
  return ConfigLoader{all_settings(), provider_names()}.load(file, flags, spelled, text);
}

}  // namespace penstock
