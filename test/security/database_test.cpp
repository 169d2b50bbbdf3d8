/// TLS to the database: who is let in, and what those are told who are not.
#include "test/postgres/database.hpp"
#include "test/security/support.hpp"

#include "streaming/fault.hpp"

using namespace penstock;
using namespace penstock::test;

namespace {

postgres::Connection as_owner() { return postgres::Connection{{.url = variable("DATABASE_URL")}}; }

/// A login of the test's own, gone with it.
class Login {
 public:
  Login(std::string name, std::string const& options) : name_{std::move(name)} {
    as_owner().execute("create role " + name_ + " login " + options);
  }
  ~Login() { as_owner().execute("drop role " + name_); }
  Login(Login const&) = delete;
  Login& operator=(Login const&) = delete;
  void change_password(std::string const& password) const {
    as_owner().execute("alter role " + name_ + " password '" + password + "'");
  }

 private:
  std::string name_;
};

std::string url_with(std::string const& what, std::string const& instead) {
  auto url = variable("DATABASE_URL");
  url.replace(url.find("penstock@"), std::string_view{"penstock@"}.size(), "tester@");
  return url.replace(url.find(what), what.size(), instead);
}

std::string refusal(std::string const& toml, Fault::Kind expected = Fault::Kind::refused) {
  Folder const folder;
  return fault_text([&] { postgres::Connection{database_of(config_in(folder, toml))}; }, expected);
}

std::string tls_version(std::string const& toml) {
  Folder const folder;
  postgres::Connection connection{database_of(config_in(folder, toml))};
  return connection.query("select version from pg_stat_ssl where pid = pg_backend_pid()").front().front().value_or("none");
}

}  // namespace

TEST_CASE("database: over TLS, verified, with a password or a certificate") {
  if (no_security()) return;
  Login const tester{"tester", "password 'tester-secret'"}, certified{"certified", ""};
  CHECK(tls_version(database_toml()).starts_with("TLSv1"));
  CHECK(tls_version(database_toml({{"tls_mode", in_quotes("verify-ca")}})).starts_with("TLSv1"));
  CHECK(tls_version(database_toml({{"tls_mode", in_quotes("require")}, {"tls_ca_file", ""}})).starts_with("TLSv1"));
  // On this machine what is offered is taken; nothing is verified.
  CHECK(tls_version(database_toml({{"tls_mode", ""}, {"tls_ca_file", ""}})).starts_with("TLSv1"));
  CHECK(tls_version(database_toml({{"url", in_quotes(url_with("tester@", "certified@"))},
                                   {"password", ""},
                                   {"tls_certificate_file", in_quotes(certificate("client.pem"))},
                                   {"tls_key_file", in_quotes(certificate("client.key"))}}))
            .starts_with("TLSv1"));
}

TEST_CASE("database: who is not let in is told at once, in one line, which setting to change") {
  if (no_security()) return;
  Login const tester{"tester", "password 'tester-secret'"}, certified{"certified", ""};
  struct Case {
    char const* name;
    std::string toml, says;
  };
  for (auto const& [name, toml, says] : {
           Case{"unknown CA", database_toml({{"tls_ca_file", in_quotes(certificate("other-ca.pem"))}}), "database.tls_ca_file"},
           Case{"the system's CAs", database_toml({{"tls_ca_file", ""}}), "database.tls_ca_file"},
           Case{"another host's certificate", database_toml({{"url", in_quotes(url_with("127.0.0.1", "localhost"))}}),
                "database.url"},
           Case{"no TLS", database_toml({{"tls_mode", in_quotes("disable")}}), "database.tls_mode"},
           Case{"wrong password", database_toml({{"password", in_quotes("wrong")}}), "database.password"},
           Case{"no password", database_toml({{"password", ""}}), "database.password"},
           Case{"no certificate of our own",
                database_toml({{"url", in_quotes(url_with("tester@", "certified@"))}, {"password", ""}}),
                "database.tls_certificate_file"},
       }) {
    CAPTURE(name);
    auto const text = refusal(toml);
    CHECK_MESSAGE(text.contains(says), text);
    CHECK_FALSE(text.contains('\n'));
    CHECK_FALSE(text.contains("tester-secret"));
  }
}

TEST_CASE("database: an expired certificate is refused") {
  if (no_security()) return;
  Login const tester{"tester", "password 'tester-secret'"};
  auto const serve = [](std::string const& name) {
    auto owner = as_owner();
    owner.execute("alter system set ssl_cert_file = '" + name + ".pem'");
    owner.execute("alter system set ssl_key_file = '" + name + ".key'");
    owner.execute("select pg_reload_conf()");
  };
  serve("expired");
  std::string text;
  CHECK(until([&] { return !text.empty(); },
              [&] {
                try {
                  tls_version(database_toml());  // The reload needs a moment.
                } catch (Fault const& fault) {
                  CHECK(fault.kind() == Fault::Kind::refused);
                  text = fault.what();
                }
              }));
  CHECK_MESSAGE(text.contains("expired"), text);
  serve("server");
  auto const is_good = [] {
    try {
      return !tls_version(database_toml()).empty();
    } catch (Fault const&) {
      return false;
    }
  };
  CHECK(until(is_good, [] {}));
}

TEST_CASE("database: a password that is changed while a store runs is an outage until the file has the new one") {
  if (no_security()) return;
  Login const tester{"tester", "superuser password 'first-secret'"};
  Folder const folder;
  auto const file = folder.file("password", "first-secret\n");
  auto options = postgres::SinkOptions{
      .database = database_of(config_in(folder, database_toml({{"password", ""}, {"password_file", in_quotes(file)}}))),
      .shape_of = table_shape_of};
  auto owner = as_owner();
  postgres::apply_migrations(owner, schema_texts());
  {
    postgres::PostgresSink sink{options};
    write(sink, BatchOf{}.add(trade(1)).moves("md.trades", 0, -1, 1).batch);
    tester.change_password("second-secret");
    owner.execute("select pg_terminate_backend(pid, 60000) from pg_stat_activity where usename = 'tester'");
    auto const next = BatchOf{}.add(trade(2)).moves("md.trades", 0, 1, 2).batch;
    // The first one only finds the connection lost.
    CHECK_THROWS_AS(write(sink, next), Fault);
    auto const told = fault_text([&] { write(sink, next); }, Fault::Kind::transient);
    CHECK_MESSAGE(told.contains("database.password"), told);
    folder.file("password", "second-secret\n");
    CHECK(write(sink, next).written.at("trades") == 1);
    owner.execute("select pg_terminate_backend(pid, 60000) from pg_stat_activity where usename = 'tester'");
  }
}

TEST_CASE("database: settings that do not fit together, or that others may read, are refused before anything is asked") {
  Folder const folder;
  auto const key = folder.file("key.pem", "x");
  std::filesystem::permissions(key, std::filesystem::perms{0644});
  struct Case {
    std::string toml, says;
  };
  for (auto const& [toml, says] : {
           Case{"tls_mode = \"require\"\nurl = \"postgresql://a@far/b?sslmode=verify-full\"", "keep one of them"},
           Case{"tls_mode = \"verify-ca\"\nurl = \"postgresql://a@far/b\"", "needs database.tls_ca_file"},
           Case{"tls_ca_file = \"/nowhere.pem\"", "cannot be read: No such file"},
           Case{"tls_certificate_file = \"" + key + '"', "without database.tls_key_file"},
           Case{"tls_certificate_file = \"" + key + "\"\ntls_key_file = \"" + key + '"', "run `chmod 6"},
       }) {
    CAPTURE(toml);
    auto const config = config_in(folder, "[database]\n" + toml + '\n');
    CHECK_THROWS_WITH_AS(postgres::check_url(database_of(config)), doctest::Contains(says.c_str()), UsageError);
  }
}
