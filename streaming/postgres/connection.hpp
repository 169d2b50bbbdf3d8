/// A connection to PostgreSQL. This folder is the edge at which libpqxx's and libpq's errors become Faults:
/// what a failing server says is judged by its SQLSTATE, and the message says what to change.
/// A connection belongs to one thread; only interrupt() may be called from another. Passwords are never in a message.
#pragma once

#include "streaming/fault.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::postgres {

struct Tls {
  std::string mode = "auto";  ///< libpq's sslmode. auto: the URL's; else prefer on this machine, verify-full elsewhere
  std::string ca_file;        ///< "": the system's
  std::string certificate_file, key_file;  ///< this client's own; "": none
};

/// How to reach the database. [database] of the configuration.
struct Settings {
  std::string url;            ///< libpq's: postgresql://user@host:port/name, or host=… dbname=…
  std::string password;       ///< "": the URL's own, PGPASSWORD or none
  std::string password_file;  ///< read for every connection, so that a new password needs no restart
  Tls tls;
  std::chrono::milliseconds connect_max{10'000};     ///< for the whole way in; a host that does not answer is a transient Fault
  std::chrono::milliseconds silence_max{10'000};     ///< a peer that acknowledges nothing for so long is gone
  std::chrono::milliseconds statement_max{300'000};  ///< the server ends a statement that takes longer
  std::chrono::milliseconds lock_max{30'000};        ///< the same for waiting for a lock
};

/// Throws UsageError for an unusable URL, or one that says something else than `tls`.
void check_url(Settings const& settings);
/// user@host:port/name, for people.
std::string address_of(Settings const& settings);

/// What the server refuses for the data's own sake.
class DataFault : public Fault {
 public:
  struct Details {
    std::string sqlstate, message, column, constraint;
    /// Of the COPY, from 1; 0 where PostgreSQL names none. Certain: what was found while that line was read. An index or a
    /// trigger may complain later, when a buffer of rows is emptied.
    struct Line {
      std::size_t number = 0;
      bool certain = false;
    } line;
    std::size_t copy = 0;  ///< at which of several COPYs, from 0
  };
  explicit DataFault(Details details);
  Details const& details() const { return details_; }

 private:
  Details details_;
};

/// The answer to a commit was lost: it may have happened or not.
class InDoubt : public Fault {
 public:
  explicit InDoubt(std::string const& message) : Fault{Kind::transient, message} {}
};

/// data: the data is bad; transient: ask again later; refused: not let in; fatal: asking again cannot help.
Fault::Kind kind_of(std::string_view sqlstate);
/// Throws DataFault or Fault, with what to do where that is known. `message`: the server's, any number of lines.
[[noreturn]] void throw_fault(std::string_view sqlstate, std::string const& message);

using Value = std::optional<std::string>;  ///< nothing: null
using Row = std::vector<Value>;

/// a -> "a", for names inside statements.
std::string identifier(std::string_view name);
/// {"a","b"}: for parameters cast to arrays.
std::string array_of(std::vector<Value> const& values);

class Connection {
 public:
  /// Throws UsageError for an unusable URL, Fault otherwise: nobody there, not found, starting up: transient; wrong password,
  /// role or certificate: refused; missing database: fatal.
  explicit Connection(Settings const& settings, std::stop_token const& stop = {});
  ~Connection();
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;

  /// One statement; without parameters also several, separated by semicolons. Outside of begin() it commits itself.
  std::vector<Row> query(std::string const& statement, Row const& parameters = {});
  /// The same; how many rows it touched.
  std::int64_t execute(std::string const& statement, Row const& parameters = {});
  /// Both for what is said with every batch: it is planned once for the connection.
  std::vector<Row> query_prepared(std::string const& statement, Row const& parameters);
  std::int64_t execute_prepared(std::string const& statement, Row const& parameters);

  void begin();
  void commit();  ///< throws InDoubt where the answer was lost
  void rollback() noexcept;

  /// Rows of binary COPY. `statements` go out in one message, so that no answer is waited for in between; each ends with a COPY
  /// (format binary). `feed` is called for each of them in turn, with a function that takes rows in pieces of any size. After one
  /// that is refused, the others are not begun.
  using Put = std::function<void(std::string_view)>;
  void copy(std::span<std::string const> statements, std::function<void(std::size_t which, Put const&)> const& feed);

  /// From any thread: asks the server to give up the running statement, waits at most `limit` for that, and cuts the
  /// connection, so that whoever waits on it gets a transient Fault at once. Nothing but destruction can follow.
  void interrupt(std::chrono::milliseconds limit) noexcept;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// begin() to commit(); gone without: rolled back.
class Transaction {
 public:
  explicit Transaction(Connection& connection) : connection_{&connection} { connection.begin(); }
  ~Transaction() {
    if (open_) connection_->rollback();
  }
  Transaction(Transaction const&) = delete;
  Transaction& operator=(Transaction const&) = delete;
  void commit() {
    open_ = false;
    connection_->commit();
  }

 private:
  Connection* connection_;
  bool open_ = true;
};

}  // namespace penstock::postgres
