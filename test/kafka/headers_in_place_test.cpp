#include "streaming/kafka/headers_in_place.hpp"
#include "test/kafka/support.hpp"

#include <limits>
#include <memory>
#include <optional>

using namespace penstock;
using namespace penstock::kafka;
using namespace penstock::kafka::test;

namespace {

using Headers = std::vector<std::pair<std::string, std::optional<std::string>>>;

std::int64_t take_number(std::string_view& bytes) {
  std::uint64_t bits = 0;
  for (int shift = 0; !bytes.empty() && shift < 64; shift += 7) {
    auto const byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    bits |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
  }
  return std::numeric_limits<std::int64_t>::min();
}

std::string number(std::int64_t number) {
  auto bits = static_cast<std::uint64_t>(number) << 1 ^ static_cast<std::uint64_t>(number >> 63);
  std::string bytes;
  for (; bits >= 0x80; bits >>= 7) bytes += static_cast<char>(bits | 0x80);
  return bytes += static_cast<char>(bits);
}

std::string with_length(std::string_view bytes) { return number(std::ssize(bytes)).append(bytes); }

std::string headers_part(Headers const& headers) {
  auto bytes = number(std::ssize(headers));
  for (auto const& [name, value] : headers) bytes += with_length(name) + (value ? with_length(*value) : number(-1));
  return bytes;
}

/// As in Kafka's protocol; a record that is said to be `longer` than it is.
struct Written {
  std::string bytes;
  std::size_t key_at, value_at, length_size;
};
Written written(std::string_view key, std::string_view value, std::string_view headers, std::int64_t time = 0,
                std::int64_t offset = 0, char attributes = 0, std::int64_t longer = 0) {
  auto body = attributes + number(time) + number(offset) + with_length(key);
  auto const key_end = body.size();
  body += number(std::ssize(value));
  auto const value_at = body.size();
  body.append(value).append(headers);
  auto const length = number(std::ssize(body) + longer);
  return {length + body, length.size() + key_end - key.size(), length.size() + value_at, length.size()};
}

/// Where key and value lie in bytes that librdkafka makes a message of: headers it looks at later.
struct Parts {
  std::size_t key_at, key_size, value_at, value_size;
};
std::optional<Parts> parts_of(std::string_view bytes) {
  auto rest = bytes;
  auto const length = take_number(rest);
  auto const body = rest;
  if (length < 1 || length > std::ssize(rest)) return std::nullopt;
  rest.remove_prefix(1);
  for (int i = 0; i < 2; ++i)
    if (take_number(rest) == std::numeric_limits<std::int64_t>::min()) return std::nullopt;
  Parts parts{};
  for (auto const& [at, size] : {std::pair{&parts.key_at, &parts.key_size}, std::pair{&parts.value_at, &parts.value_size}}) {
    auto const found = take_number(rest);
    if (found < 0 || found > std::ssize(rest)) return std::nullopt;
    *at = bytes.size() - rest.size();
    *size = static_cast<std::size_t>(found);
    rest.remove_prefix(*size);
  }
  return length >= std::ssize(body) - std::ssize(rest) ? std::optional{parts} : std::nullopt;
}

/// Memory that ends where the record ends, and begins where it begins: a sanitizer sees each step aside.
std::optional<Headers> headers_of(std::string_view bytes, std::size_t key_at, std::size_t key_size, std::size_t value_at,
                                  std::size_t value_size) {
  auto const memory = std::make_unique<char[]>(bytes.size());
  bytes.copy(memory.get(), bytes.size());
  HeaderViews found{{"of", "before"}};
  if (!read_headers_in_place({&memory[key_at], key_size}, {&memory[value_at], value_size}, found)) {
    CHECK(found.empty());
    return std::nullopt;
  }
  Headers headers;
  for (auto const& [name, value] : found) {
    for (auto const part : {name, value})
      if (part.data() != nullptr)
        CHECK((part.data() >= &memory[value_at] && part.data() + part.size() <= memory.get() + bytes.size()));
    headers.emplace_back(name, value.data() == nullptr ? std::nullopt : std::optional{std::string{value}});
  }
  return headers;
}

std::optional<Headers> headers_of(Written const& record, std::string_view key, std::string_view value) {
  return headers_of(record.bytes, record.key_at, key.size(), record.value_at, value.size());
}

Headers const of_a_raw_record{
    {"channel", "trade"}, {"symbol", "BTCUSDT"},       {"request", ""}, {"received_at", "2026-01-02T03:04:05.000006Z"},
    {"origin", "live"},   {"publisher", std::nullopt}, {"", "no name"}, {"ordinal", std::string(200, '7')}};

/// What librdkafka says of the records of partition 0, and what is read in place: of all that have a key and a value.
void check_against_librdkafka(Connection const& connection, Topic const& topic, std::size_t count) {
  Trouble trouble;
  auto settings = Settings{connection};
  settings.must("group.id", "compares").must("auto.offset.reset", "earliest");
  auto const client = settings.client(RD_KAFKA_CONSUMER, &trouble);
  rd_kafka_poll_set_consumer(client.get());
  rd_kafka_assign(client.get(), list_with_offsets(Offsets{{{topic, Partition{0}}, beginning}}).get());
  std::size_t seen = 0, in_place = 0;
  until([&] { return seen == count; },
        [&] {
          KafkaMessage const message{rd_kafka_consumer_poll(client.get(), 50)};
          if (!message || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return;
          ++seen;
          std::string_view const key{static_cast<char const*>(message->key), message->key_len};
          std::string_view const value{static_cast<char const*>(message->payload), message->len};
          HeaderViews ours;
          bool const read = read_headers_in_place(key, value, ours);
          CHECK(read == (!key.empty() && !value.empty()));
          if (!read) return;
          ++in_place;
          rd_kafka_headers_t* theirs = nullptr;
          rd_kafka_message_headers(message.get(), &theirs);
          REQUIRE(ours.size() == (theirs == nullptr ? 0 : rd_kafka_header_cnt(theirs)));
          for (std::size_t at = 0; at < ours.size(); ++at) {
            char const* name = nullptr;
            void const* bytes = nullptr;
            std::size_t size = 0;
            REQUIRE(rd_kafka_header_get_all(theirs, at, &name, &bytes, &size) == RD_KAFKA_RESP_ERR_NO_ERROR);
            CHECK(ours[at].first == name);
            CHECK(ours[at].second == std::string_view{static_cast<char const*>(bytes), size});
          }
        });
  CHECK(seen == count);
  CHECK(in_place > count / 2);
}

std::vector<Record> of_all_kinds() {
  std::vector<Record> records{record("", "no key", {{"a", "b"}}), record("no value", "", {{"a", "b"}}),
                              record("", "", {{"a", "b"}})};
  for (std::size_t size = 1; size < 600'000; size = size * 3 + 1)
    for (std::size_t const headers : {0, 1, 2, 8, 9, 70}) {
      auto& one = records.emplace_back(record(std::string(size % 300 + 1, 'k'), std::string(size, 'v')));
      for (std::size_t at = 0; at < headers; ++at)
        one.headers.emplace_back("name" + std::to_string(at), std::string(size % (100 * at + 1), 'h'));
    }
  return records;
}

}  // namespace

TEST_CASE("headers in place: what a record holds, whatever sizes its parts have") {
  for (std::size_t const key_size : {1, 63, 64, 10'000})
    for (std::size_t const value_size : {1, 50, 63, 64, 8'100, 8'191, 8'192, 1'048'576})
      for (std::size_t const last : {0, 1, 100, 8'192, 2'000'000}) {
        std::string const key(key_size, '\xff'), value(value_size, '\xff');
        auto headers = of_a_raw_record;
        headers.emplace_back("last", std::string(last, '\xff'));
        auto const part = headers_part(headers);
        auto const found = headers_of(written(key, value, part, -300, 1'000'000), key, value);
        if (found || part.size() < 100 * (key_size + value_size)) CHECK(found == headers);
      }
  CHECK(headers_of(written("k", "v", headers_part({})), "k", "v") == Headers{});
}

TEST_CASE("headers in place: up to a thousand") {
  Headers headers(1'000, {"n", "v"});
  std::string const value(100, 'v');
  CHECK(headers_of(written("k", value, headers_part(headers)), "k", value) == headers);
  headers.emplace_back("n", "v");
  CHECK_FALSE(headers_of(written("k", value, headers_part(headers)), "k", value));
}

TEST_CASE("headers in place: bytes that are not a record's are left to librdkafka") {
  std::string const key = "key", value = "value", headers = headers_part(of_a_raw_record);
  auto const good = written(key, value, headers);
  REQUIRE(headers_of(good, key, value) == of_a_raw_record);
  auto const& [bytes, key_at, value_at, length_size] = good;
  CHECK_FALSE(headers_of(bytes, key_at, 0, value_at, 5));
  CHECK_FALSE(headers_of(bytes, key_at, 3, value_at, 0));
  CHECK_FALSE(headers_of(bytes, key_at, 2, value_at, 5));
  CHECK_FALSE(headers_of(bytes, key_at, 3, value_at + 1, 4));
  CHECK_FALSE(headers_of(bytes, key_at, 3, value_at, 4));
  CHECK_FALSE(headers_of(bytes, value_at, 5, key_at, 3));
  auto another_key = bytes;
  another_key[key_at - 1] += 2;
  CHECK_FALSE(headers_of(another_key, key_at, 3, value_at, 5));
  // Attributes that nobody has given a sense yet; with a length that ends in a byte of nothing, too.
  CHECK_FALSE(headers_of(written(key, value, headers, 0, 0, 1), key, value));
  CHECK_FALSE(headers_of(written(key, value, headers, 0, 0, '\x80'), key, value));
  auto padded = written(key, value, headers, 0, 0, '\x80');
  padded.bytes[padded.length_size - 1] |= '\x80';
  padded.bytes.insert(padded.length_size, 1, '\0');
  CHECK_FALSE(headers_of(padded.bytes, padded.key_at + 1, 3, padded.value_at + 1, 5));
  // A length that says less, or more, than there is; librdkafka itself sees to it that there are bytes.
  CHECK_FALSE(headers_of(written(key, value, headers, 0, 0, 0, -1), key, value));
  CHECK_FALSE(headers_of(written(key, value, headers, 0, 0, 0, -100), key, value));
  auto longer = written(key, value, headers, 0, 0, 0, 1);
  longer.bytes += '\0';
  CHECK_FALSE(headers_of(longer, key, value));
  // Headers that end too early, go too far, or are counted wrongly.
  CHECK_FALSE(headers_of(written(key, value, number(2) + with_length("a") + with_length("b")), key, value));
  CHECK_FALSE(headers_of(written(key, value, number(1) + with_length("a") + number(5) + "b"), key, value));
  CHECK_FALSE(headers_of(written(key, value, number(1) + with_length("a") + number(-2)), key, value));
  CHECK_FALSE(headers_of(written(key, value, number(1) + number(-1) + with_length("b")), key, value));
  CHECK_FALSE(headers_of(written(key, value, number(1LL << 60)), key, value));
  CHECK_FALSE(headers_of(written(key, value, number(-1)), key, value));
  CHECK_FALSE(headers_of(written(key, value, std::string(20, '\xff')), key, value));
}

TEST_CASE("headers in place: with any byte changed nothing outside of the record is read") {
  int messages = 0, read = 0;
  for (std::size_t const value_size : {1, 5, 40, 100, 8'150})
    for (auto const& headers : {Headers{}, Headers{{"a", "b"}}, of_a_raw_record}) {
      auto const good = written("key", std::string(value_size, '\x80'), headers_part(headers), 70, 5).bytes;
      for (std::size_t at = 0; at < good.size(); at += at > 20 && at + 400 < good.size() ? 97 : 1)
        for (int byte = 0; byte < 256; ++byte) {
          auto changed = good;
          changed[at] = static_cast<char>(byte);
          auto const parts = parts_of(changed);
          if (!parts) continue;
          ++messages;
          read += headers_of(changed, parts->key_at, parts->key_size, parts->value_at, parts->value_size) ? 1 : 0;
        }
    }
  CHECK(read > 0);
  CHECK(messages > read);
}

TEST_CASE("headers in place: what librdkafka itself says, with each codec") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const records = of_all_kinds();
  for (auto const* codec : {"none", "gzip", "snappy", "lz4", "zstd"}) {
    CAPTURE(codec);
    Connection const connection{.brokers = brokers, .properties = {{"compression.codec", codec}}};
    auto const topic = fresh("raw.headers");
    apply_topics(connection, plan_topics(connection, {{.name = topic, .partitions = 1}}));
    produce(connection, topic, records);
    check_against_librdkafka({.brokers = brokers}, topic, records.size());
  }
}

TEST_CASE("headers in place: a record that cannot be read so has its headers from librdkafka") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  produce(cluster.connection(), "raw.x",
          {record("", "no key", {{"a", "1"}}), record("no value", "", {{"a", "2"}}), record("k", "v", {{"a", "3"}})});
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  consumer->subscribe({"raw.x"}, nullptr);
  std::vector<Delivery> deliveries;
  REQUIRE(until([&] { return deliveries.size() == 3; }, [&] { consumer->poll(deliveries, 10, 50ms); }));
  for (std::size_t at = 0; at < 3; ++at) CHECK(deliveries[at].header("a") == std::to_string(at + 1));
  deliveries.clear();
  consumer->close();
}
