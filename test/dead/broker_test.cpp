/// Dead letters on the Kafka of PENSTOCK_TEST_BROKERS, by the program itself where that is what counts.
#include "agents/dead/letters.hpp"
#include "schemas/reasons.hpp"
#include "test/dead/support.hpp"

#include <algorithm>
#include <thread>

using namespace penstock;
using namespace penstock::test;

namespace {

std::vector<std::string> sorted(std::vector<std::string> values) {
  std::ranges::sort(values);
  return values;
}

/// The records of the topic of marks, not the topic.
void delete_marks(kafka::Connection const& connection) {
  kafka::Settings settings{connection};
  kafka::Trouble trouble;
  auto const client = settings.client(RD_KAFKA_PRODUCER, &trouble);
  kafka::KafkaQueue const answers{rd_kafka_queue_new(client.get())};
  auto* const before = rd_kafka_topic_partition_list_new(1);
  Offsets const ends = kafka::ReadToEnd{connection, {Topic{dead_marks_topic}}, {}}.ends();
  for (auto const& [partition, end] : ends)
    rd_kafka_topic_partition_list_add(before, partition.topic.c_str(), to_integer(partition.partition))->offset = to_integer(end);
  auto* asked = rd_kafka_DeleteRecords_new(before);
  rd_kafka_topic_partition_list_destroy(before);
  rd_kafka_DeleteRecords(client.get(), &asked, 1, nullptr, answers.get());
  rd_kafka_DeleteRecords_destroy(asked);
  kafka::KafkaEvent const event{rd_kafka_queue_poll(answers.get(), 10'000)};
  REQUIRE(event != nullptr);
  REQUIRE(rd_kafka_event_error(event.get()) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

/// Tells somebody whenever it is asked for the time.
class TellingClock final : public Clock {
 public:
  std::function<void()> on_now = [] {};
  Time now() const override {
    on_now();
    return system_clock().now();
  }
  std::chrono::steady_clock::time_point steady() const override { return system_clock().steady(); }
  void sleep(std::chrono::milliseconds wait, std::stop_token const& stop) override { system_clock().sleep(wait, stop); }
};

}  // namespace

TEST_CASE("dead: letters are listed by reason, replayed as they were, and open no more") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  World const world{{.brokers = brokers}};
  std::string const bytes{"\x00\xff\"not json", 11};
  auto strange = record("K", "no letter");
  world.write({world.letter(1, reason::unknown_symbol, bytes), world.letter(2, reason::malformed, "two"),
               world.letter(3, reason::unknown_symbol, "three", 2, system_clock().now() - 3h), strange});

  auto listed = world.dead({"ls", world.source, "--json"});
  CAPTURE(listed.text);
  CHECK(listed.code == 0);
  CHECK(listed.text.contains(R"("reason":"malformed","open":1,"replayed":0,"dropped":0,"attempts_least":1,"attempts_most":1)"));
  CHECK(listed.text.contains(
      R"("reason":"unknown-symbol","open":2,"replayed":0,"dropped":0,"attempts_least":1,"attempts_most":2)"));
  CHECK(listed.text.contains(R"("strange":1)"));
  listed = world.dead({"ls", world.letters, "--since", "1h", "--reason", "unknown-symbol"});
  CHECK(listed.text.contains("unknown-symbol  1     0         0        1         20"));
  CHECK_FALSE(listed.text.contains("malformed"));

  CHECK(world.dead({"replay", world.source, "--dry-run"}).text.contains("3 letters would be replayed: 3 records"));
  CHECK(world.values().empty());
  auto const replayed = world.dead({"replay", world.source, "--reason", "unknown-symbol", "--json"});
  CHECK(replayed.text.contains(R"("letters":2,"records":2,"worn_out":0)"));
  auto const back = world.all_of(world.source);
  REQUIRE(back.size() == 2);
  CHECK(back[0].key == "KEY");
  CHECK(back[0].value == bytes);
  CHECK(back[0].partition == Partition{0});
  CHECK(back[0].headers == std::map<std::string, std::string>{
                               {"channel", "trade"}, {"received_at", "2026-01-01T00:00:00.000000Z"}, {"attempt", "1"}});
  CHECK(back[1].headers.at("attempt") == "2");
  CHECK(world.dead({"ls", world.source}).text.contains("unknown-symbol  0     2         0"));
  // One or two marks: a transaction is what one read brought.
  auto const marks = world.marks();
  std::int64_t put_back = 0;
  for (auto const& mark : marks) {
    CHECK(mark.rule == R"({"reason":["unknown-symbol"],"max_attempts":5})");
    put_back += mark.replayed_to.at({world.source, Partition{0}});
  }
  CHECK(world.marked() == 2);
  CHECK(put_back == 2);

  CHECK(world.dead({"replay", world.source, "--reason", "unknown-symbol"}).text == "nothing to replay\n");
  CHECK(world.dead({"replay", world.source}).text.contains("1 letter replayed: 1 record"));
  CHECK(sorted(world.values()) == sorted({bytes, "two", "three"}));
}

TEST_CASE("dead: what is dropped leaves a mark and stays, is asked for, and is never replayed") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  World const world{{.brokers = brokers}};
  world.write({world.letter(1, reason::malformed), world.letter(1, reason::wrong_type), world.letter(2, reason::malformed)});
  auto const unasked = world.dead({"drop", world.source});
  CHECK(unasked.code == 2);
  CHECK(unasked.text.contains("say --yes"));
  CHECK(world.marks().empty());
  CHECK(world.dead({"drop", world.source, "--yes", "--reason", "malformed", "--limit", "1"}).text.contains("1 letter dropped"));
  CHECK(world.dead({"drop", world.source, "--yes", "--reason", "malformed"}).text.contains("1 letter dropped"));
  REQUIRE(world.marks().size() == 2);
  auto const mark = world.marks().front();
  CHECK(mark.kind == DeadAction::Kind::drop);
  CHECK(mark.offsets == std::vector{std::pair{Offset{0}, Offset{0}}});
  CHECK(mark.replayed_to.empty());
  CHECK(mark.rule == R"({"reason":["malformed"],"limit":1})");
  CHECK(world.dead({"ls", world.source}).text.contains("malformed   0     0         2"));
  CHECK(world.dead({"replay", world.source}).text.contains("1 letter replayed"));
  CHECK(world.all_of(world.letters).size() == 3);
}

TEST_CASE("dead: a frame with several letters goes back once, and all of them are done, whichever was asked for") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  World const world{{.brokers = brokers}};
  world.write({world.letter(1, reason::unknown_symbol, "a"), world.letter(1, reason::malformed, "a"),
               world.letter(1, reason::unknown_symbol, "a"), world.letter(2, reason::malformed, "b"),
               world.letter(3, reason::malformed, "c"), world.letter(3, reason::unknown_symbol, "c")});
  CHECK(world.dead({"replay", world.source, "--reason", "unknown-symbol", "--limit", "1"})
            .text.contains("3 letters replayed: 1 record"));
  CHECK(world.dead({"replay", world.source, "--reason", "unknown-symbol"}).text.contains("2 letters replayed: 1 record"));
  CHECK(world.values() == std::vector<std::string>{"a", "c"});
  CHECK(world.dead({"ls", world.source, "--json"}).text.contains(R"("reason":"malformed","open":1,"replayed":2)"));
}

TEST_CASE("dead: a dry run of drop says what drop then does: of a frame's letters those that were asked for alone") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  World const world{{.brokers = brokers}};
  world.write({world.letter(1, reason::unknown_symbol), world.letter(1, reason::malformed), world.letter(1, reason::malformed),
               world.letter(2, reason::malformed), world.letter(3, reason::unknown_symbol)});
  Words const asked{"drop", world.source, "--reason", "malformed"};
  auto dry = asked, yes = asked;
  dry.emplace_back("--dry-run");
  yes.emplace_back("--yes");
  CHECK(world.dead(dry).text == world.letters + ": 3 letters would be dropped\n");
  CHECK(world.dead(yes).text == world.letters + ": 3 letters dropped\n");
  CHECK(world.marked() == 3);
}

TEST_CASE("dead: a letter that failed too often stays") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  World const world{{.brokers = brokers}};
  world.write({world.letter(1, reason::malformed, "often", 5), world.letter(2, reason::malformed, "twice", 2)});
  CHECK(world.dead({"replay", world.source})
            .text.contains("1 letter replayed: 1 record to " + world.source + "; 1 failed --max-attempts times and stay"));
  CHECK(world.values() == std::vector<std::string>{"twice"});
  CHECK(world.dead({"replay", world.source, "--max-attempts", "6"}).text.contains("1 letter replayed"));
}

TEST_CASE("dead: a replay that is killed and repeated replays each letter once") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  World const world{{.brokers = brokers}, 1};
  constexpr int letters = 60'000;
  std::vector<Record> records;
  std::vector<std::string> expected;
  for (int i = 0; i < letters; ++i) {
    records.push_back(world.letter(i, reason::malformed, std::to_string(i)));
    expected.push_back(std::to_string(i));
  }
  world.write(records);
  int killed = 0;
  while (killed < 3) {
    auto const marks = make_follower(world.connection, {Topic{dead_marks_topic}}, {.from_earliest = false});
    Process replay{{"dead", "replay", world.source, "--kafka-brokers", brokers}};
    CHECK(read(*marks, 1).size() == 1);
    if (replay.end(SIGKILL) == 0) break;  // It was quicker.
    ++killed;
  }
  CHECK(killed > 0);
  CHECK(world.dead({"replay", world.source}).code == 0);
  auto const values = world.values();
  CHECK(values.size() == expected.size());
  auto const [found, other] = std::ranges::mismatch(values, expected);
  CHECK((found == values.end() ? "the end" : "not " + *other + " but " + *found) == "the end");
  CHECK(world.dead({"replay", world.source}).text == "nothing to replay\n");
}

TEST_CASE("dead: what was sent back and not marked yet when the process ended was never seen, and goes back once") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  World const world{{.brokers = brokers}};
  world.write({world.letter(1, reason::malformed, "a"), world.letter(2, reason::malformed, "b")});
  TellingClock clock;
  KnownMarks known;
  int asked = 0;
  clock.on_now = [&] {
    if (++asked == 2) throw Fault{Fault::Kind::fatal, "the end"};
  };
  fault_text([&] { act_on_letters(world.connection, world.letters, {}, {}, clock, known, {}); }, Fault::Kind::fatal);
  CHECK(asked == 2);
  CHECK(world.dead({"replay", world.source}).text.contains("2 letters replayed"));
  CHECK(world.values() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("dead: of two replays at once the later one goes on, the earlier one says so, and nothing goes back twice") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  World const world{{.brokers = brokers}};
  world.write({world.letter(1, reason::malformed, "a"), world.letter(2, reason::malformed, "b")});
  TellingClock clock;
  KnownMarks known;
  int asked = 0;
  // The second time is that of the mark: what goes back is in the open transaction.
  clock.on_now = [&] {
    if (++asked == 2) CHECK(world.dead({"replay", world.source}).text.contains("2 letters replayed"));
  };
  auto const text =
      fault_text([&] { act_on_letters(world.connection, world.letters, {}, {}, clock, known, {}); }, Fault::Kind::transient);
  CAPTURE(text);
  CHECK(text.contains("stopped after 0 letters of " + world.letters));
  CHECK(text.contains("another instance with the same id took over"));
  CHECK(world.values() == std::vector<std::string>{"a", "b"});
  CHECK(world.marked() == 2);
}

TEST_CASE("dead: marks that were read are known, and only those that came since are read") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  World const world{{.brokers = brokers}};
  world.write({world.letter(1, reason::malformed), world.letter(2, reason::malformed), world.letter(3, reason::malformed)});
  KnownMarks known;
  auto const open = [&] {
    auto const found =
        look_at_letters(world.connection, {world.letters}, {}, system_clock().now(), DeadAction::Kind::drop, known, {});
    return found.letters;
  };
  CHECK(world.dead({"drop", world.source, "--yes", "--limit", "1"}).code == 0);
  CHECK(open() == 2);
  delete_marks(world.connection);
  CHECK(open() == 2);
  CHECK(world.dead({"drop", world.source, "--yes", "--limit", "1"}).code == 0);  // The first one again, which looks open to it.
  CHECK(open() == 2);
  CHECK(world.dead({"drop", world.source, "--yes", "--limit", "1"}).code == 0);
  CHECK(open() == 1);
}

TEST_CASE("dead: without transactions letters go back and are marked, too") {
  MockCluster cluster;
  cluster.topic("raw.mock", 1);
  cluster.topic("raw.mock.dead", 1);
  cluster.topic("penstock.dead", 1);
  World const world{cluster.connection(), "raw.mock"};
  world.write({world.letter(1, reason::malformed, "a"), world.letter(2, reason::malformed, "b")});
  CHECK(world.dead({"replay", "raw.mock"}).text.contains("2 letters replayed"));
  CHECK(world.dead({"replay", "raw.mock"}).text == "nothing to replay\n");
  CHECK(world.values() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("dead: what may heal is replayed by itself, after growing delays, until it failed too often") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  World const world{{.brokers = brokers}, 1};
  world.write({world.letter(1, reason::malformed, "never"), world.letter(2, reason::unknown_symbol, "first")});
  std::jthread const agent{[&](std::stop_token const& stop) {
    Metrics metrics{"dead"};
    Health health;
    run_dead_retry(world.connection,
                   {.rule = {.reasons = {"unknown-symbol"}, .attempts_max = 3, .delay = 300ms, .delay_max = 10s},
                    .deed = {.instance = world.source},
                    .look_every = 100ms},
                   system_clock(), metrics, health, stop);
  }};
  auto const came_back = [&](std::size_t count) {
    return until([&] { return world.values().size() >= count; }, [] { std::this_thread::sleep_for(50ms); });
  };
  CHECK(came_back(1));
  // It fails again: this is what the transformer would write.
  world.write({world.letter(3, reason::unknown_symbol, "second", 2)});
  CHECK(came_back(2));
  world.write({world.letter(4, reason::unknown_symbol, "third", 3), world.letter(5, reason::unknown_symbol, "other")});
  CHECK(came_back(3));
  CHECK(world.values() == std::vector<std::string>{"first", "second", "other"});
  auto const back = world.all_of(world.source);
  CHECK(back[1].headers.at("attempt") == "2");
}

TEST_CASE("dead: show prints the letter with all that is known, and what it would be now") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  kafka::Connection const connection{.brokers = brokers};
  kafka::apply_topics(connection, kafka::plan_topics(connection, topic_plan(load_config())));
  World const world{connection};
  std::string const trade =
      R"({"source":"venue","symbol":"A/B","time":"2026-01-01T00:00:00.000000Z","received_at":"2026-01-01T00:00:00.000000Z",)"
      R"("id":"1","side":"buy","price":"0.10","amount":"2"})";
  auto const put = [&](Topic const& source, std::string const& value) {
    Delivery const dead{
        .position = {source, Partition{0}, Offset{9}}, .key = "KEY\x1b[2J", .value = value, .headers = {{"channel", "trade"}}};
    auto letter = dead_letter(dead, {reason::unknown_symbol, "why"}, "transform", system_clock().now());
    letter.partition = Partition{0};
    produce(connection, dead_letter_topic(source), {letter});
    auto const ends = kafka::ReadToEnd{connection, {dead_letter_topic(source)}, {}}.ends();
    return "0@" + std::to_string(to_integer(ends.at({dead_letter_topic(source), Partition{0}})) - 1);
  };
  auto const show = [&](Topic const& source, std::string const& place) { return world.dead({"show", source, place}); };

  auto const canonical = put("md.trades", trade);
  auto shown = show("md.trades", canonical);
  CAPTURE(shown.text);
  CHECK(shown.code == 0);
  CHECK(shown.text.contains("key          KEY\\x1b[2J"));
  CHECK(shown.text.contains("state        open"));
  CHECK(shown.text.contains("reason       unknown-symbol"));
  CHECK(shown.text.contains("now: md.trades " + trade));

  auto const raw = put("raw.binance", R"({"e":"trade","E":1,"s":"NOSUCHSYMBOL","t":1,"p":"1","q":"1","T":1,"m":true})");
  shown = show("raw.binance", raw);
  CHECK(shown.text.contains("now: record 0 rejected again, unknown-symbol: NOSUCHSYMBOL is not in the instrument catalogue"));
  auto const bytes = put("raw.binance", "\xff\x01");
  shown = world.dead({"show", "raw.binance.dead", bytes, "--json"});
  CHECK(shown.text.contains(R"("value_hex":"ff01","state":"open")"));
  CHECK(shown.text.contains(R"("rejected":[{"reason":"malformed")"));

  World const unknown{connection};
  unknown.write({unknown.letter(7, reason::malformed, "bytes of another version")});
  shown = show(unknown.source, "0@0");
  CHECK(shown.code == 0);
  CHECK(shown.text.contains("reason       malformed"));
  CHECK(shown.text.contains("bytes of another version\n\nnow: cannot be decoded: topic " + unknown.source + " is neither"));
  shown = world.dead({"show", unknown.source, "0@0", "--json"});
  CHECK(shown.text.contains(R"("ignored":false,"impossible":"topic )"));

  CHECK(world.dead({"drop", "raw.binance", "--yes"}).code == 0);
  CHECK(show("raw.binance", raw).text.contains("state        dropped at 20"));
  CHECK(world.dead({"drop", "md.trades", "--yes"}).code == 0);
}

TEST_CASE("dead: wrong words end it with exit code 2 and one line that says what is allowed") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  World const world{{.brokers = brokers}};
  world.write({world.letter(1, reason::malformed)});
  struct Case {
    Words words;
    char const* text;
  };
  for (auto const& [words, text] :
       {Case{{"lst"}, "unknown word \"lst\""}, Case{{"ls", "a", "b"}, "ls takes [TOPIC]"},
        Case{{"show", world.source}, "show takes TOPIC PARTITION@OFFSET"},
        Case{{"show", world.source, "17"}, "\"17\" is no place of a letter: it is PARTITION@OFFSET"},
        Case{{"show", world.source, "0@1"}, "has no letter at 0@1"}, Case{{"show", world.source, "9@0"}, "has no letter at 9@0"},
        Case{{"ls", world.source + "x"}, "did you mean"}, Case{{"ls", "penstock.ledger"}, "there are no dead letters of"},
        Case{{"ls", "penstock"}, "there are no dead letters of \"penstock\""},
        Case{{"ls", "--since", "yesterday"}, "--since is \"yesterday\": it takes a time such as"},
        Case{{"ls", "--reason", "unknown-simbol"}, "unknown reason \"unknown-simbol\"; did you mean unknown-symbol?"},
        Case{{"replay", "--limit", "0"}, "--limit is \"0\""}, Case{{"ls", "--yes"}, "--yes does not go with ls"},
        Case{{"replay", "--max-attempts", "none"}, "max-attempts"}, Case{{"retry"}, "dead.retry_reasons is empty"},
        Case{{"retry", "--retry-reasons", "malformed"}, "retry-reasons"}}) {
    auto const ran = world.dead(words);
    CAPTURE(ran.text);
    CHECK(ran.code == 2);
    CHECK(ran.text.contains(text));
    CHECK(std::ranges::count(ran.text, '\n') == 1);
  }
}
