/// The program itself, where it is not let in: it ends, with one line that says what to change, and shows no secret.
#include "test/security/support.hpp"

using namespace penstock;
using namespace penstock::test;

TEST_CASE("program: agents and commands that are not let in end, and their last line names the setting") {
  if (no_security()) return;
  Folder const folder;
  auto const secure = variable("PENSTOCK_TEST_SECURE_BROKERS");
  auto const owner_database = "[database]\nurl = " + in_quotes(variable("DATABASE_URL")) + '\n';
  auto const kafka =
      folder.file("kafka.toml", kafka_toml(secure, {{"sasl_password", in_quotes("wrong-secret")}}) + owner_database);
  auto const database = folder.file(
      "database.toml",
      kafka_toml(secure) + database_toml({{"url", in_quotes("postgresql://nobody@" + variable("DATABASE_URL").substr(22))},
                                          {"password", in_quotes("wrong-secret")}}));
  auto const spool = "--spool-folder=" + folder.file("x", "") + ".spool";
  struct Case {
    Words words;
    std::string says;
  };
  for (auto const& [words, says] : {
           Case{{"topics", "plan", "--config", kafka}, "kafka.sasl_password"},
           Case{{"transform", "--config", kafka, "--kafka-wait-ms-max=0"}, "kafka.sasl_password"},
           Case{{"store", "--config", kafka, "--kafka-wait-ms-max=0"}, "kafka.sasl_password"},
           Case{{"publish", "binance", "--http-url=http://127.0.0.1:9", "--websocket-url=ws://127.0.0.1:9", "--config", kafka,
                 spool},
                "kafka.sasl_password"},
           Case{{"tap", "md.trades", "--config", kafka}, "kafka.sasl_password"},
           Case{{"audit", "--config", kafka}, "kafka.sasl_password"},
           Case{{"store", "--config", database, "--kafka-wait-ms-max=0"}, "database.password"},
           Case{{"db", "status", "--config", database}, "database.password"},
       }) {
    CAPTURE(words);
    auto const [code, text] = run(words);
    CHECK_MESSAGE(code == 1, text);
    auto const last = text.substr(text.rfind('\n', text.size() - 2) + 1);
    CHECK_MESSAGE(last.contains(says), text);
    CHECK_FALSE(text.contains("wrong-secret"));
  }
}
