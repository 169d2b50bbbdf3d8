#include "streaming/postgres/connection.hpp"

#include "streaming/file_access.hpp"
#include "streaming/log.hpp"
#include "streaming/this_machine.hpp"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <pqxx/pqxx>
#include <ranges>

namespace penstock::postgres {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

template <auto destroy>
struct Destroy {
  void operator()(auto* handle) const noexcept { destroy(handle); }
};
using Handle = std::unique_ptr<PGconn, Destroy<PQfinish>>;
using Result = std::unique_ptr<PGresult, Destroy<PQclear>>;
using Cancel = std::unique_ptr<PGcancelConn, Destroy<PQcancelFinish>>;
using Options = std::unique_ptr<PQconninfoOption, Destroy<PQconninfoFree>>;

constexpr std::size_t copy_block_bytes = 256 << 10;
// Of binary COPY: a signature, flags, the length of an extension; at the end a row of -1 columns.
constexpr std::string_view copy_header{
    "PGCOPY\n\377\r\n\0"
    "\0\0\0\0"
    "\0\0\0\0",
    19},
    copy_trailer{"\377\377"};
constexpr milliseconds stop_check{50};

// "a\nb\n" -> "a; b": a message is one line.
std::string one_line(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    auto const line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    auto const begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos || line.starts_with("LOCATION:")) continue;
    if (!out.empty()) out += "; ";
    out += line.substr(begin);
  }
  return out;
}

void hide(std::string& text, std::string const& secret) {
  if (secret.empty()) return;
  for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3))
    text.replace(at, secret.size(), "***");
}

std::string option_of(PQconninfoOption const* options, std::string_view keyword) {
  for (auto option = options; option->keyword != nullptr; ++option)
    if (option->keyword == keyword && option->val != nullptr) return option->val;
  return {};
}

Options parse_url(std::string const& url) {
  char* error = nullptr;
  Options options{PQconninfoParse(url.c_str(), &error)};
  // libpq's own message is left out: it repeats the URL, which may hold a password.
  if (error != nullptr) PQfreemem(error);
  if (!options) throw UsageError{"database.url is not a PostgreSQL URL; it takes postgresql://user@host:port/name"};
  return options;
}

// With verbosity `verbose` libpq puts the SQLSTATE of a refused connection into its message, `FATAL:  28P01: …`, and has
// no other way to tell it. Takes it out.
std::string take_sqlstate(std::string& message) {
  constexpr std::size_t length = 5;
  for (auto at = message.find(":  "); at != std::string::npos; at = message.find(":  ", at + 1)) {
    auto const state = message.substr(at + 3, length);
    auto const is_state = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); };
    if (state.size() != length || !std::ranges::all_of(state, is_state) || message.compare(at + 3 + length, 2, ": ") != 0)
      continue;
    message.erase(at + 2, length + 2);
    return state;
  }
  return {};
}

/// What a person can do about a way in that is closed, by what libpq and the server say of it; "" for nothing known.
std::string_view way_in_advice(std::string_view message) {
  struct Advice {
    std::string_view said, what_to_do;
  };
  for (auto const& [said, what_to_do] : {
           Advice{"does not match host name",
                  "use a name of its certificate in database.url, or set database.tls_mode = verify-ca"},
           Advice{"does not support SSL", "turn ssl on in its postgresql.conf, or set database.tls_mode = disable"},
           Advice{"no encryption", "set database.tls_mode = verify-full"},
           Advice{"valid client certificate", "set database.tls_certificate_file and database.tls_key_file"},
           Advice{"certificate verify failed",
                  "set database.tls_ca_file to the CA of the server's certificate, or renew that where it has expired"},
           Advice{"private key", "change database.tls_key_file"},
           Advice{"alert", "change database.tls_certificate_file to one that the server trusts"},
           Advice{"certificate", "change database.tls_ca_file or database.tls_mode"},
       })
    if (message.contains(said)) return what_to_do;
  return {};
}

[[noreturn]] void throw_not_connected(PGconn* handle, std::string const& password) {
  std::string message = PQerrorMessage(handle);
  hide(message, password);
  hide(message, PQpass(handle) == nullptr ? "" : PQpass(handle));
  auto const state = take_sqlstate(message);
  message = one_line(message);
  if (!state.empty()) throw_fault(state, message);
  if (PQconnectionNeedsPassword(handle) != 0)
    throw Fault{Fault::Kind::refused, message + ": set database.password (variable PENSTOCK_DATABASE_PASSWORD)"};
  if (auto const advice = way_in_advice(message); !advice.empty())
    throw Fault{Fault::Kind::refused, message + ": " + std::string{advice}};
  throw Fault{Fault::Kind::transient, message};
}

/// Several behind commas; none, or a path, is a local socket.
bool are_on_this_machine(std::string const& hosts) {
  return std::ranges::all_of(std::views::split(hosts, ','), [](auto const part) {
    std::string_view const host{part};
    return host.empty() || host.starts_with('/') || host.starts_with('@') || is_this_machine(host);
  });
}

using Words = std::vector<std::pair<std::string, std::string>>;

/// What `tls` means beside the URL, in libpq's words.
Words tls_words(Tls const& tls, PQconninfoOption const* options) {
  auto const url_mode = option_of(options, "sslmode");
  if (tls.mode != "auto" && !url_mode.empty() && url_mode != tls.mode)
    throw UsageError{"database.tls_mode is " + tls.mode + ", but database.url says sslmode=" + url_mode + "; keep one of them"};
  Words words;
  auto mode = tls.mode;
  if (mode == "auto") {
    auto const address = option_of(options, "hostaddr");
    mode = !url_mode.empty()                                                             ? url_mode
           : std::getenv("PGSSLMODE") != nullptr                                         ? std::getenv("PGSSLMODE")
           : are_on_this_machine(address.empty() ? option_of(options, "host") : address) ? "prefer"
                                                                                         : "verify-full";
  }
  words.emplace_back("sslmode", mode);
  auto const has_own_ca = !option_of(options, "sslrootcert").empty() || std::getenv("PGSSLROOTCERT") != nullptr;
  if (!tls.ca_file.empty())
    words.emplace_back("sslrootcert", tls.ca_file);
  else if (!has_own_ca && mode == "verify-full")
    words.emplace_back("sslrootcert", "system");
  else if (!has_own_ca && mode == "verify-ca")
    throw UsageError{
        "database.tls_mode is verify-ca, which needs database.tls_ca_file: any host has a certificate of the system's"};
  if (!tls.certificate_file.empty()) words.emplace_back("sslcert", tls.certificate_file);
  if (!tls.key_file.empty()) words.emplace_back("sslkey", tls.key_file);
  return words;
}

/// That of the file now, where there is one.
std::string password_of(Settings const& settings) {
  auto password = settings.password_file.empty() ? std::string{} : secret_text(settings.password_file);
  if (password.empty()) return settings.password;
  log::redact(password);
  return password;
}

std::string seconds_of(milliseconds duration) { return std::to_string(std::max<long>(1, duration.count() / 1000)); }

/// The waits on the way in: all of them together take connect_max at most, and end when asked to stop.
class WayIn {
 public:
  WayIn(Settings const& settings, std::stop_token const& stop) : settings_{settings}, stop_{stop} {}

  void wait_for(PGconn* handle, bool reading) const {
    pollfd socket{PQsocket(handle), static_cast<short>(reading ? POLLIN : POLLOUT), 0};
    while (::poll(&socket, 1, static_cast<int>(stop_check.count())) == 0) {
      if (stop_.stop_requested()) throw Fault{Fault::Kind::transient, "asked to stop while connecting to the database"};
      if (SteadyClock::now() > until_)
        throw Fault{Fault::Kind::transient, "the database at " + address_of(settings_) + " did not answer within " +
                                                seconds_of(settings_.connect_max) + " s"};
    }
  }

 private:
  Settings const& settings_;
  std::stop_token const& stop_;
  SteadyClock::time_point until_ = SteadyClock::now() + settings_.connect_max;
};

// Not PQconnectdb(): that cannot be stopped.
Handle connect(Settings const& settings, WayIn const& way_in) {
  auto const silence = std::to_string(settings.silence_max.count());
  auto const idle = seconds_of(settings.silence_max / 2), interval = seconds_of(settings.silence_max / 6);
  auto const password = password_of(settings);
  // What stands before dbname may be overruled by the URL; what stands after it overrules the URL.
  Words words{{"keepalives", "1"},         {"keepalives_idle", idle},       {"keepalives_interval", interval},
              {"keepalives_count", "3"},   {"tcp_user_timeout", silence},   {"dbname", settings.url},
              {"client_encoding", "UTF8"}, {"application_name", "penstock"}};
  if (!password.empty()) words.emplace_back("password", password);
  for (auto& word : tls_words(settings.tls, parse_url(settings.url).get())) words.push_back(std::move(word));
  std::vector<char const*> keys, values;
  for (auto const& [key, value] : words) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);

  Handle handle{PQconnectStartParams(keys.data(), values.data(), 1)};
  if (!handle) throw Fault{Fault::Kind::transient, "no memory for a database connection"};
  PQsetErrorVerbosity(handle.get(), PQERRORS_VERBOSE);
  for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK; state = PQconnectPoll(handle.get())) {
    if (state == PGRES_POLLING_FAILED || PQstatus(handle.get()) == CONNECTION_BAD) throw_not_connected(handle.get(), password);
    way_in.wait_for(handle.get(), state == PGRES_POLLING_READING);
  }
  PQsetErrorVerbosity(handle.get(), PQERRORS_DEFAULT);
  PQsetNoticeReceiver(handle.get(), [](void*, PGresult const*) {}, nullptr);
  return handle;
}

std::string session_settings(Settings const& settings) {
  auto const set = [](char const* name, milliseconds value) {
    return std::string{"set "} + name + " = " + std::to_string(value.count()) + ";";
  };
  // The server, too, must notice a peer that is gone or stopped: it would hold the locks of its transaction for ever.
  return set("statement_timeout", settings.statement_max) + set("lock_timeout", settings.lock_max) +
         set("idle_in_transaction_session_timeout", std::chrono::minutes{1}) + set("tcp_user_timeout", settings.silence_max) +
         "set tcp_keepalives_idle = " + seconds_of(settings.silence_max / 2) +
         ";set tcp_keepalives_interval = " + seconds_of(settings.silence_max / 6) + ";set tcp_keepalives_count = 3" +
         // Not "$user": penstock's tables would be in schema penstock for a role of that name, and found by no other. Databases
         // that have them there are still read.
         ";select set_config('search_path', replace(current_setting('search_path'), '\"$user\", ', '') || ', penstock', false);"
         "set timezone = 'UTC'; set datestyle = 'ISO'; set client_min_messages = warning";
}

std::string field_of(PGresult const* result, int code) {
  auto const* const text = PQresultErrorField(result, code);
  return text == nullptr ? "" : text;
}

// COPY trades, line 123, column price
DataFault::Details::Line line_of(std::string_view context, std::string_view sqlstate) {
  constexpr std::string_view mark = ", line ";
  auto const copy = context.starts_with("COPY ") ? 0 : context.find("\nCOPY ");
  auto const found = copy == std::string_view::npos ? copy : context.find(mark, copy);
  if (found == std::string_view::npos) return {};
  auto rest = context.substr(found + mark.size());
  std::size_t line = 0;
  for (; !rest.empty() && rest.front() >= '0' && rest.front() <= '9'; rest.remove_prefix(1))
    line = line * 10 + static_cast<std::size_t>(rest.front() - '0');
  // Constraints (23502, 23514) and the shape of a line (22P04, 22021) are looked at before the row goes into a buffer.
  auto const whole_row = sqlstate == "23502" || sqlstate == "23514" || sqlstate == "22P04" || sqlstate == "22021";
  return {.number = line, .certain = whole_row || rest.starts_with(", column ")};
}

// COPY trades, line 123, column price -> price
std::string column_of(std::string_view context) {
  constexpr std::string_view mark = ", column ";
  auto const found = context.find(mark);
  if (!context.starts_with("COPY ") || found == std::string_view::npos) return {};
  auto const rest = context.substr(found + mark.size());
  return std::string{rest.substr(0, rest.find_first_of(":\n"))};
}

[[noreturn]] void throw_result(PGconn* handle, PGresult const* result, std::size_t copy = 0) {
  auto const state = field_of(result, PG_DIAG_SQLSTATE);
  auto const whole = result == nullptr ? PQerrorMessage(handle) : PQresultErrorMessage(result);
  if (state.empty()) throw Fault{Fault::Kind::transient, "the connection to the database is lost: " + one_line(whole)};
  if (kind_of(state) != Fault::Kind::data) throw_fault(state, whole);
  auto const context = field_of(result, PG_DIAG_CONTEXT);
  auto column = field_of(result, PG_DIAG_COLUMN_NAME);
  if (column.empty()) column = column_of(context);
  throw DataFault{{.sqlstate = state,
                   .message = one_line(field_of(result, PG_DIAG_MESSAGE_PRIMARY)),
                   .column = column,
                   .constraint = field_of(result, PG_DIAG_CONSTRAINT_NAME),
                   .line = line_of(context, state),
                   .copy = copy}};
}

// Not PQexec(): a server that is stopped after it let us in would hold us for ever.
void set_session(PGconn* handle, Settings const& settings, WayIn const& way_in) {
  if (PQsendQuery(handle, session_settings(settings).c_str()) == 0) throw_result(handle, nullptr);
  while (true) {
    while (PQisBusy(handle) != 0) {
      way_in.wait_for(handle, true);
      if (PQconsumeInput(handle) == 0) throw_result(handle, nullptr);
    }
    Result const result{PQgetResult(handle)};
    if (!result) return;
    auto const status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) throw_result(handle, result.get());
  }
}

// Every error of libpqxx ends here; a std::logic_error is a bug and goes on.
template <class Work>
auto at_edge(Work&& work) {
  try {
    return work();
  } catch (pqxx::broken_connection const& error) {
    throw Fault{Fault::Kind::transient, "the connection to the database is lost: " + one_line(error.what())};
  } catch (pqxx::insufficient_privilege const& error) {
    throw_fault("42501", error.what());  // libpqxx hands it on without its SQLSTATE.
  } catch (pqxx::sql_error const& error) {
    throw_fault(error.sqlstate(), error.what());
  } catch (pqxx::failure const& error) {
    throw Fault{Fault::Kind::transient, one_line(error.what())};
  }
}

std::string_view advice_of(std::string_view sqlstate, std::string_view message) {
  if (sqlstate.starts_with("28"))
    if (auto const advice = way_in_advice(message); !advice.empty()) return advice;
  if (sqlstate == "28P01") return "set database.password (variable PENSTOCK_DATABASE_PASSWORD), or the user in database.url";
  if (sqlstate.starts_with("28")) return "change the user in database.url, or let it in (CREATE ROLE, pg_hba.conf)";
  if (sqlstate == "3D000") return "create it with `createdb`, or change the name in database.url";
  if (sqlstate == "42P01" || sqlstate == "42703" || sqlstate == "3F000" || sqlstate == "42883" || sqlstate == "42P10")
    return "run `penstock db apply`";
  if (sqlstate == "42501") return "grant it to the role in database.url, or use another role";
  return {};
}

pqxx::params params_of(Row const& row) {
  pqxx::params params;
  for (auto const& value : row) params.append(value);
  return params;
}

}  // namespace

void check_url(Settings const& settings) { tls_words(settings.tls, parse_url(settings.url).get()); }

std::string address_of(Settings const& settings) {
  auto const options = parse_url(settings.url);
  auto const get = [&](char const* keyword) { return option_of(options.get(), keyword); };
  auto const host = get("host").empty() ? get("hostaddr") : get("host");
  return (get("user").empty() ? "" : get("user") + "@") + (host.empty() ? "localhost" : host) + ":" +
         (get("port").empty() ? "5432" : get("port")) + "/" + (get("dbname").empty() ? get("user") : get("dbname"));
}

DataFault::DataFault(Details details)
    : Fault{Kind::data, "SQLSTATE " + details.sqlstate + ": " + details.message}, details_{std::move(details)} {}

Fault::Kind kind_of(std::string_view sqlstate) {
  auto const in_class = [&](std::initializer_list<std::string_view> classes) {
    return std::ranges::any_of(classes, [&](auto prefix) { return sqlstate.starts_with(prefix); });
  };
  // 53400: TimescaleDB's limit of rows that one statement may decompress. 54: a row or an index entry that is too long.
  // P0001: a trigger of the table's owner refuses the row.
  if (sqlstate == "53400" || sqlstate == "P0001" || in_class({"22", "23", "54"})) return Fault::Kind::data;
  // 25006: a server that is still a standby. 25P03: we were silent inside a transaction. 58: the server's disk. XX000: what
  // the server did not foresee, mostly a chunk that is dropped while rows are written to it; the next try makes it anew.
  if (sqlstate.starts_with("28")) return Fault::Kind::refused;
  if (sqlstate.empty() || sqlstate == "25006" || sqlstate == "25P03" || sqlstate == "XX000" ||
      in_class({"08", "40", "53", "55", "57", "58"}))
    return sqlstate == "58P01" ? Fault::Kind::fatal : Fault::Kind::transient;
  return Fault::Kind::fatal;
}

void throw_fault(std::string_view sqlstate, std::string const& message) {
  auto const kind = kind_of(sqlstate);
  if (kind == Fault::Kind::data)
    throw DataFault{
        {.sqlstate = std::string{sqlstate}, .message = one_line(message), .column = {}, .constraint = {}, .line = {}, .copy = 0}};
  auto const advice = advice_of(sqlstate, message);
  throw Fault{kind, one_line(message) + (advice.empty() ? "" : ": " + std::string{advice})};
}

std::string identifier(std::string_view name) {
  std::string out = "\"";
  for (auto const letter : name) out += letter == '"' ? "\"\"" : std::string{letter};
  return out + '"';
}

std::string array_of(std::vector<Value> const& values) {
  std::string out = "{";
  for (auto const& value : values) {
    if (out.size() > 1) out += ',';
    if (!value) {
      out += "NULL";
      continue;
    }
    out += '"';
    for (auto const letter : *value) {
      if (letter == '"' || letter == '\\') out += '\\';
      out += letter;
    }
    out += '"';
  }
  return out + "}";
}

std::vector<Row> rows_of(pqxx::result const& result) {
  std::vector<Row> rows;
  for (auto const& row : result) {
    rows.emplace_back();
    for (auto const& field : row) rows.back().push_back(field.is_null() ? Value{} : Value{field.c_str()});
  }
  return rows;
}

struct Connection::Parts {
  // libpqxx owns the handle and runs all statements but one: its stream_to escapes and copies every field again, which the
  // store's rows do not need, since they are in COPY's binary format already. So the handle is made here, kept, and used for
  // COPY.
  PGconn* handle = nullptr;
  std::optional<pqxx::connection> connection;
  std::map<std::string, std::string> prepared;  // Statement -> name.
  Cancel cancel;                                // Made ahead: it may be started from another thread.
  int socket = -1;                              // A duplicate, so that its number cannot become another file's.

  ~Parts() {
    if (socket >= 0) ::close(socket);
  }
  pqxx::result exec(std::string const& statement, Row const& parameters) {
    return at_edge([&] {
      pqxx::nontransaction work{*connection};
      return parameters.empty() ? work.exec(statement) : work.exec(statement, params_of(parameters));
    });
  }
  pqxx::result exec_prepared(std::string const& statement, Row const& parameters) {
    return at_edge([&] {
      auto found = prepared.find(statement);
      if (found == prepared.end()) {
        auto const name = "penstock_" + std::to_string(prepared.size());
        connection->prepare(name, statement);
        found = prepared.emplace(statement, name).first;
      }
      pqxx::nontransaction work{*connection};
      return work.exec(pqxx::prepped{found->second}, params_of(parameters));
    });
  }
  // Of the COPY `which`; all that follows must be read.
  [[noreturn]] void throw_answer(Result answer, std::size_t which) const {
    auto const worst = std::move(answer);
    while (PQstatus(handle) != CONNECTION_BAD && Result{PQgetResult(handle)}) {
    }
    throw_result(handle, worst.get(), which);
  }
};

Connection::Connection(Settings const& settings, std::stop_token const& stop) : parts_{std::make_unique<Parts>()} {
  check_url(settings);
  WayIn const way_in{settings, stop};
  auto handle = connect(settings, way_in);
  set_session(handle.get(), settings, way_in);
  parts_->handle = handle.get();
  parts_->cancel.reset(PQcancelCreate(handle.get()));
  parts_->socket = ::dup(PQsocket(handle.get()));
  at_edge([&] { parts_->connection.emplace(pqxx::connection::seize_raw_connection(handle.release())); });
}

Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

std::vector<Row> Connection::query(std::string const& statement, Row const& parameters) {
  return rows_of(parts_->exec(statement, parameters));
}

std::int64_t Connection::execute(std::string const& statement, Row const& parameters) {
  return static_cast<std::int64_t>(parts_->exec(statement, parameters).affected_rows());
}

std::vector<Row> Connection::query_prepared(std::string const& statement, Row const& parameters) {
  return rows_of(parts_->exec_prepared(statement, parameters));
}

std::int64_t Connection::execute_prepared(std::string const& statement, Row const& parameters) {
  return static_cast<std::int64_t>(parts_->exec_prepared(statement, parameters).affected_rows());
}

void Connection::begin() {
  Result const result{PQexec(parts_->handle, "begin")};
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) throw_result(parts_->handle, result.get());
}

void Connection::commit() {
  Result const result{PQexec(parts_->handle, "commit")};
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
    // These say for sure that nothing was committed.
    auto const state = field_of(result.get(), PG_DIAG_SQLSTATE);
    if (state.starts_with("22") || state.starts_with("23") || state.starts_with("40")) throw_result(parts_->handle, result.get());
    throw InDoubt{"the answer to a commit is lost: " + one_line(PQerrorMessage(parts_->handle))};
  }
  // So PostgreSQL answers a commit where an error came before.
  if (std::string_view{PQcmdStatus(result.get())} == "ROLLBACK")
    throw Fault{Fault::Kind::transient, "the database rolled the transaction back"};
}

void Connection::rollback() noexcept {
  if (PQstatus(parts_->handle) == CONNECTION_OK) Result{PQexec(parts_->handle, "rollback")};
}

void Connection::copy(std::span<std::string const> statements, std::function<void(std::size_t, Put const&)> const& feed) {
  auto* const handle = parts_->handle;
  std::string all;
  for (auto const& statement : statements) all.append(statement).append(";");
  Result answer{PQexec(handle, all.c_str())};
  for (std::size_t which = 0; which < statements.size(); ++which) {
    // Statements before the COPY have answers of their own.
    while (PQresultStatus(answer.get()) == PGRES_COMMAND_OK) answer.reset(PQgetResult(handle));
    // What is refused here is the COPY before, or what stands before the first.
    if (PQresultStatus(answer.get()) != PGRES_COPY_IN) parts_->throw_answer(std::move(answer), which == 0 ? 0 : which - 1);
    auto const put = [handle](std::string_view rows) {
      while (!rows.empty()) {
        auto const block = rows.substr(0, copy_block_bytes);
        // A refusal is told by the result; what is still sent until then is thrown away by the server.
        if (PQputCopyData(handle, block.data(), static_cast<int>(block.size())) < 0) return;
        rows.remove_prefix(block.size());
      }
    };
    put(copy_header);
    feed(which, put);
    put(copy_trailer);
    PQputCopyEnd(handle, nullptr);
    answer.reset(PQgetResult(handle));
  }
  while (PQresultStatus(answer.get()) == PGRES_COMMAND_OK) answer.reset(PQgetResult(handle));
  if (answer) parts_->throw_answer(std::move(answer), statements.size() - 1);
}

void Connection::interrupt(milliseconds limit) noexcept {
  auto const until = SteadyClock::now() + limit;
  auto* const cancel = parts_->cancel.get();
  if (cancel != nullptr && PQcancelStart(cancel) == 1)
    for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED;
         state = PQcancelPoll(cancel)) {
      auto const left = std::chrono::duration_cast<milliseconds>(until - SteadyClock::now());
      pollfd socket{PQcancelSocket(cancel), static_cast<short>(state == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
      if (left <= milliseconds{0} || ::poll(&socket, 1, static_cast<int>(left.count())) == 0) break;
    }
  ::shutdown(parts_->socket, SHUT_RDWR);
}

}  // namespace penstock::postgres
