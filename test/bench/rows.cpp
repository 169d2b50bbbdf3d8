// rows BROKERS KIND COUNT: the first COUNT records of md.KIND as lines of COPY text, in the order in which they come from the
// topic, to stdout: what psql writes in place of the store.
#include "schemas/kinds.hpp"
#include "test/bench/bare.hpp"
#include "test/copy_text.hpp"

int main(int argc, char** argv) {
  if (argc != 4) bare::die("usage: rows BROKERS KIND COUNT");
  std::string const kind = argv[2], topic = "md." + kind;
  auto* consumer = bare::reader(argv[1], topic);
  std::string out;
  auto const give_up = bare::seconds() + 120;
  for (long left = std::atol(argv[3]); left > 0;) {
    if (bare::seconds() > give_up) bare::die(topic + " has fewer records");
    auto* message = rd_kafka_consumer_poll(consumer, 100);
    if (message == nullptr) continue;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) bare::die(rd_kafka_message_errstr(message));
    auto const record = penstock::parse_record(kind, {static_cast<char const*>(message->payload), message->len});
    if (!record) bare::die(record.error().detail);
    out += penstock::test::copy_line(*record);
    rd_kafka_message_destroy(message);
    if (--left == 0 || out.size() > (1U << 20U)) {
      if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size()) bare::die("the rows could not be written");
      out.clear();
    }
  }
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}
