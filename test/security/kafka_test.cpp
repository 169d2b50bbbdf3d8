/// TLS and SASL to the broker: who is let in does everything, and who is not is told at once which setting to change.
#include "test/security/support.hpp"

#include "streaming/fault.hpp"
#include "streaming/log.hpp"

using namespace penstock;
using namespace penstock::kafka;
using namespace penstock::test;

namespace {

std::string brokers(std::string const& name) { return variable(("PENSTOCK_TEST_" + name + "_BROKERS").c_str()); }

Connection connection_with(std::string const& toml) {
  Folder const folder;
  return connection_of(config_in(folder, toml));
}

/// Admin, producer, consumer, reader to the end, exchange.
void do_everything(Connection const& connection) {
  auto const in = fresh("raw.in"), out = fresh("md.out");
  check_reachable(connection, 60s);
  apply_topics(connection, plan_topics(connection, {{.name = in, .partitions = 1}, {.name = out, .partitions = 1}}));
  produce(connection, in, numbered(0, 3));
  auto const consumer = make_consumer(connection, {.group = fresh("group")});
  consumer->subscribe({in}, nullptr);
  CHECK(read(*consumer, 3).size() == 3);
  auto const exchange = make_exchange(connection, {.transactional_id = fresh("id"), .group = fresh("group")});
  exchange->produce(out, record("a", "1"));
  commit_and_settle(*exchange, {{{in, Partition{0}}, {Offset{3}, ""}}}, *consumer);
  ReadToEnd reader{connection, {out}, {}};
  std::vector<Delivery> deliveries;
  REQUIRE(reader.next(deliveries));
  CHECK(deliveries.at(0).value == "1");
  CHECK(committed_offsets(connection, "nobody", {{in, 1}}).empty());
}

/// What is told to one who is not let in; the wait that is allowed is longer than the test's.
std::string refusal(std::string const& toml) {
  Folder const folder;
  return fault_text([&] { check_reachable(connection_of(config_in(folder, toml)), 1h); }, Fault::Kind::refused);
}

/// Changes a user's password on the broker.
void set_password(std::string const& user, std::string const& password) {
  Trouble trouble;
  Connection const connection{.brokers = variable("KAFKA_BROKERS")};
  auto const client = kafka::Settings{connection}.client(RD_KAFKA_PRODUCER, &trouble);
  KafkaQueue const answers{rd_kafka_queue_new(client.get())};
  auto* change = rd_kafka_UserScramCredentialUpsertion_new(user.c_str(), RD_KAFKA_SCRAM_MECHANISM_SHA_256, 4096,
                                                           reinterpret_cast<unsigned char const*>(password.data()),
                                                           password.size(), nullptr, 0);
  rd_kafka_AlterUserScramCredentials(client.get(), &change, 1, nullptr, answers.get());
  KafkaEvent const event{rd_kafka_queue_poll(answers.get(), 60'000)};
  REQUIRE(event);
  REQUIRE(rd_kafka_event_error(event.get()) == RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_UserScramCredentialAlteration_destroy(change);
}

}  // namespace

TEST_CASE("kafka: over TLS, with a password in each way or a certificate, everything works") {
  if (no_security()) return;
  for (auto const* mechanism : {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}) {
    CAPTURE(mechanism);
    do_everything(connection_with(kafka_toml(brokers("SECURE"), {{"sasl_mechanism", in_quotes(mechanism)}})));
  }
  do_everything(connection_with(kafka_toml(brokers("MUTUAL"), {{"sasl_mechanism", ""},
                                                               {"sasl_username", ""},
                                                               {"sasl_password", ""},
                                                               {"tls_certificate_file", in_quotes(certificate("client.pem"))},
                                                               {"tls_key_file", in_quotes(certificate("client.key"))}})));
}

TEST_CASE("kafka: who is not let in is told at once, in one line, which setting to change") {
  if (no_security()) return;
  auto const secure = brokers("SECURE");
  Keys const nobody{{"sasl_mechanism", ""}, {"sasl_username", ""}, {"sasl_password", ""}};
  struct Case {
    char const* name;
    std::string toml, says;
  };
  for (auto const& [name, toml, says] : {
           Case{"unknown CA", kafka_toml(secure, {{"tls_ca_file", in_quotes(certificate("other-ca.pem"))}}), "kafka.tls_ca_file"},
           Case{"the system's CAs", kafka_toml(secure, {{"tls_ca_file", ""}}), "kafka.tls_ca_file"},
           Case{"another host's certificate", kafka_toml("localhost" + secure.substr(secure.find(':'))), "kafka.brokers"},
           Case{"an expired certificate", kafka_toml(brokers("EXPIRED"), nobody), "has expired"},
           Case{"no certificate of our own", kafka_toml(brokers("MUTUAL"), nobody), "kafka.tls_certificate_file"},
           Case{"wrong password", kafka_toml(secure, {{"sasl_password", in_quotes("wrong")}}), "kafka.sasl_password"},
           Case{"wrong password in plain",
                kafka_toml(secure, {{"sasl_mechanism", in_quotes("PLAIN")}, {"sasl_password", in_quotes("wrong")}}),
                "kafka.sasl_password"},
           Case{"wrong mechanism", kafka_toml(brokers("SCRAM"), {{"sasl_mechanism", in_quotes("PLAIN")}}),
                "kafka.sasl_mechanism"},
       }) {
    CAPTURE(name);
    auto const text = refusal(toml);
    CHECK_MESSAGE(text.contains(says), text);
    CHECK_FALSE(text.contains('\n'));
    CHECK_FALSE(text.contains("penstock-secret"));
  }
}

TEST_CASE("kafka: a broker that hangs up is waited for as one that is away, and the line says what TLS has to do with it") {
  if (no_security()) return;
  Keys const nobody{{"sasl_mechanism", ""}, {"sasl_username", ""}, {"sasl_password", ""}};
  auto plain = nobody;
  plain.insert({{"tls", "false"}, {"tls_ca_file", ""}});
  Folder const folder;
  auto const told = [&](std::string const& toml) {
    return fault_text([&] { check_reachable(connection_of(config_in(folder, toml)), 3s); }, Fault::Kind::fatal);
  };
  auto const tls_needed = told(kafka_toml(brokers("SECURE"), plain));
  CHECK_MESSAGE(tls_needed.contains("kafka.tls = true"), tls_needed);
  auto const no_tls = told(kafka_toml(variable("KAFKA_BROKERS"), nobody));
  CHECK_MESSAGE(no_tls.contains("kafka.tls = false"), no_tls);
}

TEST_CASE("kafka: who has no rights is told so by every client") {
  if (no_security()) return;
  auto const owner = connection_with(kafka_toml(brokers("SECURE")));
  auto const topic = fresh("raw.private");
  apply_topics(owner, plan_topics(owner, {{.name = topic, .partitions = 1}}));
  auto const stranger = connection_with(
      kafka_toml(brokers("SECURE"), {{"sasl_username", in_quotes("stranger")}, {"sasl_password", in_quotes("stranger-secret")}}));
  check_reachable(stranger, 60s);
  auto const told = [](auto const& act) {
    auto const text = fault_text(act, Fault::Kind::fatal);
    CHECK_MESSAGE(text.contains("kafka.sasl_username"), text);
  };
  told([&] { apply_topics(stranger, plan_topics(stranger, {{.name = fresh("raw.mine"), .partitions = 1}})); });
  told([&] {
    auto const producer = make_producer(stranger, {});
    REQUIRE(producer->produce(topic, record("a", "1")));
    producer->flush(60s);
  });
  told([&] {
    auto const consumer = make_consumer(stranger, {.group = fresh("group")});
    consumer->subscribe({topic}, nullptr);
    read(*consumer, 1, 60s);
  });
  told([&] { make_follower(stranger, {topic}, {}); });
  told([&] { make_exchange(stranger, {.transactional_id = fresh("id"), .group = fresh("group")}); });
}

TEST_CASE("kafka: a password that is changed while it runs is an outage until the file has the new one") {
  if (no_security()) return;
  auto const topic = fresh("raw.rotating");
  Connection const owner{.brokers = variable("KAFKA_BROKERS")};
  apply_topics(owner, plan_topics(owner, {{.name = topic, .partitions = 1}}));
  set_password("penstock", "first-secret");
  Folder const folder;
  auto const file = folder.file("password", "first-secret\n");
  auto const connection = connection_of(
      config_in(folder, kafka_toml(brokers("SCRAM"), {{"sasl_password", ""}, {"sasl_password_file", in_quotes(file)}})));
  auto const producer = make_producer(connection, {});
  REQUIRE(producer->produce(topic, record("a", "1")));
  producer->flush(60s);

  set_password("penstock", "second-secret");
  std::string told;
  CHECK(until([&] { return told.contains("kafka.sasl_password"); },
              [&] {
                try {
                  producer->produce(topic, record("a", "2"));
                  producer->flush(1s);
                } catch (Fault const& fault) {
                  REQUIRE(fault.kind() == Fault::Kind::transient);
                  told = fault.what();
                }
              },
              120s));
  folder.file("password", "second-secret\n");
  producer->flush(120s);
  CHECK(producer->queued_records() == 0);
  CHECK(penstock::log::redacted("second-secret") == "***");
  set_password("penstock", "penstock-secret");
}

TEST_CASE("kafka: settings that do not fit together are refused before anything is asked") {
  Folder const folder;
  auto const key = folder.file("key.pem", "x"), open_key = folder.file("open.pem", "x");
  std::filesystem::permissions(open_key, std::filesystem::perms{0644});
  struct Case {
    std::string toml, says;
  };
  for (auto const& [toml, says] : {
           Case{"sasl_mechanism = \"PLAIN\"\nsasl_username = \"a\"\nsasl_password = \"b\"\nbrokers = \"far:1\"",
                "kafka.tls = true"},
           Case{"sasl_mechanism = \"SCRAM-SHA-256\"\nsasl_username = \"a\"", "needs kafka.sasl_password"},
           Case{"sasl_mechanism = \"SCRAM-SHA-256\"\nsasl_password = \"b\"", "needs kafka.sasl_username"},
           Case{"sasl_username = \"a\"", "no kafka.sasl_mechanism"},
           Case{"tls_ca_file = \"" + key + '"', "set kafka.tls = true"},
           Case{"tls = true\ntls_ca_file = \"/nowhere.pem\"", "cannot be read: No such file"},
           Case{"tls = true\ntls_key_file = \"" + key + '"', "without kafka.tls_certificate_file"},
           Case{"tls = true\ntls_certificate_file = \"" + key + "\"\ntls_key_file = \"" + open_key + '"', "run `chmod 6"},
       }) {
    CAPTURE(toml);
    auto const config = config_in(folder, "[kafka]\n" + toml + '\n');
    CHECK_THROWS_WITH_AS(connection_of(config), doctest::Contains(says.c_str()), UsageError);
  }
  auto const in_the_clear = [&](std::string const& brokers) {
    return connection_of(config_in(
        folder,
        "[kafka]\nsasl_mechanism = \"PLAIN\"\nsasl_username = \"a\"\nsasl_password = \"b\"\nbrokers = \"" + brokers + "\"\n"));
  };
  CHECK_NOTHROW(in_the_clear("localhost:1, 127.0.0.1:2,SASL_PLAINTEXT://[::1]:3 ,localhost"));
  for (auto const* far : {"localhost.example.org:1", "127.example.org:1", "127.0.0.1:1,far:1", "[::2]:1"})
    CHECK_THROWS_AS(in_the_clear(far), UsageError);
  auto const connection = connection_of(config_in(folder, "[kafka]\ntls = true\ntls_ca_file = \"" + key + "\"\n"));
  CHECK_THROWS_WITH_AS(make_producer(connection, {}), doctest::Contains("kafka.tls_ca_file"), UsageError);
}
