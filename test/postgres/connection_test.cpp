#include "streaming/postgres/connection.hpp"

#include "test/postgres/database.hpp"
#include "test/postgres/proxy.hpp"

#include <doctest/doctest.h>

using namespace penstock;
using namespace penstock::postgres;
using namespace penstock::test;

namespace {

struct Failure {
  Fault::Kind kind;
  std::string message;
};

Failure connecting_to(Settings const& settings) {
  try {
    Connection{settings};
  } catch (Fault const& fault) {
    return {fault.kind(), fault.what()};
  }
  return {Fault::Kind::data, "it connected"};
}

}  // namespace

TEST_CASE("postgres: what a SQLSTATE means for the batch") {
  struct Case {
    std::string_view sqlstate;
    Fault::Kind kind;
  };
  using enum Fault::Kind;
  for (auto const& [sqlstate, kind] :
       {Case{"22P02", data},      Case{"22003", data},      Case{"23502", data},      Case{"23514", data},
        Case{"53400", data},      Case{"54000", data},      Case{"P0001", data},      Case{"08006", transient},
        Case{"40001", transient}, Case{"40P01", transient}, Case{"53100", transient}, Case{"53300", transient},
        Case{"55P03", transient}, Case{"57014", transient}, Case{"57P01", transient}, Case{"57P03", transient},
        Case{"25006", transient}, Case{"XX000", transient}, Case{"25P03", transient}, Case{"58030", transient},
        Case{"", transient},      Case{"28P01", refused},   Case{"28000", refused},   Case{"3D000", fatal},
        Case{"3F000", fatal},     Case{"42P01", fatal},     Case{"42703", fatal},     Case{"42501", fatal},
        Case{"0A000", fatal},     Case{"58P01", fatal},     Case{"XX001", fatal}}) {
    CAPTURE(sqlstate);
    CHECK(kind_of(sqlstate) == kind);
  }
}

TEST_CASE("postgres: a refused connection says what to change, and never the password") {
  struct Case {
    std::string sqlstate, message;
    Fault::Kind kind;
    std::string says;
  };
  for (auto const& [sqlstate, message, kind, says] :
       {Case{"28P01", "password authentication failed for user \"penstock\"", Fault::Kind::refused, "database.password"},
        Case{"28000", "role \"penstock\" does not exist", Fault::Kind::refused, "database.url"},
        Case{"3D000", "database \"market\" does not exist", Fault::Kind::fatal, "createdb"},
        Case{"57P03", "the database system is starting up", Fault::Kind::transient, "starting up"},
        Case{"53300", "sorry, too many clients already", Fault::Kind::transient, "too many"},
        Case{"28P01", "no such password: s3cret", Fault::Kind::refused, "***"}}) {
    CAPTURE(sqlstate);
    Refuser const server{sqlstate, message, sqlstate == "28P01"};
    auto const failure = connecting_to({.url = server.url()});
    CHECK(failure.kind == kind);
    CHECK_MESSAGE(failure.message.contains(says), failure.message);
    CHECK(!failure.message.contains("s3cret"));
    CHECK(!failure.message.contains('\n'));
  }
}

TEST_CASE("postgres: a server that asks for a password that was not given says which setting to change") {
  Refuser const server{"28P01", "no", true};
  auto url = server.url();
  url.erase(url.find(":s3cret"), 7);
  auto const failure = connecting_to({.url = url});
  CHECK(failure.kind == Fault::Kind::refused);
  CHECK_MESSAGE(failure.message.contains("database.password"), failure.message);
}

TEST_CASE("postgres: nobody there, or no such host, is a reason to try again") {
  std::uint16_t port = 0;
  {
    Listener const gone;
    port = gone.port();
  }
  auto const refused = connecting_to({.url = "postgresql://penstock:s3cret@127.0.0.1:" + std::to_string(port) + "/market"});
  CHECK(refused.kind == Fault::Kind::transient);
  CHECK_MESSAGE(refused.message.contains("refused"), refused.message);
  CHECK(!refused.message.contains('\n'));
  auto const unknown = connecting_to({.url = "postgresql://penstock:s3cret@no-such-host.invalid/market"});
  CHECK(unknown.kind == Fault::Kind::transient);
  CHECK_MESSAGE(unknown.message.contains("no-such-host.invalid"), unknown.message);
  CHECK(!unknown.message.contains("s3cret"));
}

TEST_CASE("postgres: a server that never answers is given up after the limit, or at once when asked to stop") {
  Listener const silent;
  Settings settings{.url = "postgresql://penstock@127.0.0.1:" + std::to_string(silent.port()) + "/market"};
  settings.connect_max = std::chrono::milliseconds{200};
  auto const failure = connecting_to(settings);
  CHECK(failure.kind == Fault::Kind::transient);
  CHECK_MESSAGE(failure.message.contains("did not answer"), failure.message);

  std::stop_source stop;
  stop.request_stop();
  settings.connect_max = std::chrono::hours{1};
  CHECK_THROWS_AS((Connection{settings, stop.get_token()}), Fault);
}

TEST_CASE("postgres: a server that lets us in and then never answers is given up after the limit, or when asked to stop") {
  Welcomer const frozen;
  Settings settings{.url = frozen.url()};
  settings.connect_max = std::chrono::milliseconds{200};
  auto const failure = connecting_to(settings);
  CHECK(failure.kind == Fault::Kind::transient);
  CHECK_MESSAGE(failure.message.contains("did not answer"), failure.message);

  std::stop_source stop;
  settings.connect_max = std::chrono::hours{1};
  std::jthread const other{[&] { stop.request_stop(); }};
  CHECK_THROWS_AS((Connection{settings, stop.get_token()}), Fault);
}

TEST_CASE("postgres: an unusable URL is a usage error that does not repeat the password") {
  for (std::string const url :
       {"postgresql://penstock:s3cret@host:port/name", "nonsense", "postgresql://[::1", "host=a =s3cret"}) {
    CAPTURE(url);
    try {
      Connection{{.url = url}};
      FAIL("it was taken");
    } catch (UsageError const& error) {
      CHECK(std::string{error.what()}.contains("database.url"));
      CHECK(!std::string{error.what()}.contains("s3cret"));
    } catch (Fault const& fault) {
      CHECK(!std::string{fault.what()}.contains("s3cret"));
    }
  }
}

TEST_CASE("postgres: values go in and come out as they are") {
  CHECK(array_of({"a", std::nullopt, "b\"c\\d", ""}) == R"({"a",NULL,"b\"c\\d",""})");
  CHECK(identifier("a\"b") == "\"a\"\"b\"");
  if (no_database()) return;
  Connection connection{{.url = server_url()}};
  Row const values{"x", std::nullopt, "it's"};
  CHECK(connection.query("select $1::text, $2::text, $3::text", values).front() == values);
  CHECK(connection.query("select unnest($1::text[])", {array_of({"b\"c\\d", std::nullopt})}) ==
        std::vector<Row>{{"b\"c\\d"}, {std::nullopt}});
  CHECK(connection.query("show application_name").front().front() == "penstock");
}

TEST_CASE("postgres: a missing table says run penstock db apply") {
  if (no_database()) return;
  Connection connection{{.url = server_url()}};
  try {
    connection.query("select * from no_such_table");
    FAIL("it was there");
  } catch (Fault const& fault) {
    CHECK(fault.kind() == Fault::Kind::fatal);
    CHECK(std::string{fault.what()}.contains("penstock db apply"));
  }
}

TEST_CASE("postgres: a transaction whose backend is ended is a reason to try again, and a commit then is in doubt") {
  if (no_database()) return;
  Connection connection{{.url = server_url()}}, other{{.url = server_url()}};
  auto const pid = connection.query("select pg_backend_pid()").front().front();
  connection.begin();
  other.query("select pg_terminate_backend($1::int, 5000)", {pid});
  CHECK_THROWS_AS(connection.commit(), InDoubt);
  CHECK_THROWS_AS(connection.query("select 1"), Fault);
}

TEST_CASE("postgres: a commit after a failed statement is no commit") {
  if (no_database()) return;
  Connection connection{{.url = server_url()}};
  connection.begin();
  CHECK_THROWS_AS(connection.query("select 1 / 0"), DataFault);
  CHECK_THROWS_AS(connection.commit(), Fault);
}

TEST_CASE("postgres: a running statement is interrupted from another thread") {
  if (no_database()) return;
  Connection connection{{.url = server_url()}};
  std::jthread const other{[&] { connection.interrupt(std::chrono::seconds{1}); }};
  CHECK_THROWS_AS(connection.query("select pg_sleep(60)"), Fault);
}
