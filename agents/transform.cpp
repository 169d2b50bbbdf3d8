#include "agents/transform.hpp"

#include "agents/knowledge.hpp"
#include "agents/raw_record.hpp"
#include "agents/transform/pipeline.hpp"
#include "agents/transform_output.hpp"
#include "schemas/reasons.hpp"
#include "streaming/backoff.hpp"
#include "streaming/fault.hpp"
#include "streaming/log.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <ranges>

namespace penstock {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t poll_count_max = 5'000;
constexpr milliseconds idle_wait{50};
constexpr milliseconds settle_wait{2};
constexpr std::size_t waiting_bytes_max = 8 << 20;  // Of a partition that waits for its instruments; more: it is paused.
constexpr std::size_t delivery_overhead_bytes = 1000;
// A transaction costs the broker and us about what 400 records do, and the store behind us one of the database. Each record puts
// its end off a little, so that few wait for little, and many share the cost.
constexpr Duration put_off_by_frame{20};
constexpr milliseconds put_off_until{100};
constexpr milliseconds commit_after_behind{500};
constexpr milliseconds backoff_first{250}, backoff_most{500};
constexpr milliseconds forever{60'000};  // A commit has a limit of its own.

/// One input partition that is ours.
struct Share {
  Share(TopicPartition const& which, Provider const& of, Knowledge& knowledge, Pipeline::Options const& options, Ledger of_it)
      : partition{which},
        provider{of},
        pipeline{of, knowledge.catalogue(), knowledge.open_gaps(), options},
        live_from{options.live_from},
        ledger{std::move(of_it)} {}

  TopicPartition const partition;
  Provider const& provider;
  Pipeline pipeline;
  Offset const live_from;        ///< committed: what is before it was written already, and only makes state
  Offset next{};                 ///< to be taken
  Offset first_kept{};           ///< of the topic, when the partition became ours
  bool is_live = false;          ///< it has all the state that it needs
  bool fresh = false;            ///< something came with the last poll
  Duration quiet{};              ///< since something came, while nothing was left to read
  Ledger ledger;                 ///< up to the last commit
  Counts closing;                ///< of it: what is being committed
  Counts counts;                 ///< since then
  std::deque<Delivery> waiting;  ///< for the catalogue
  std::size_t waiting_bytes = 0;
  bool paused = false;  ///< too much waits
  SteadyTime waits_until{};
  bool waited_in_vain = false;  ///< no second wait
  bool may_wait = false;        ///< as long as the catalogue is not complete
};

class Transform {
 public:
  Transform(Consumer& consumer, Exchange& exchange, Consumer& known, Clock& clock, TransformOptions const& options,
            Metrics& metrics, Health& health, std::stop_token const& stop)
      : consumer_{consumer},
        exchange_{exchange},
        clock_{clock},
        options_{options},
        metrics_{metrics},
        health_{health},
        stop_{stop},
        knowledge_{known, clock},
        output_{exchange, clock} {
    show_all_series();
  }

  void run() {
    knowledge_.read(stop_);
    consumer_.subscribe(topics(), [this](Assignment const& change) { return reassign(change); });
    stepped_ = clock_.steady();
    while (!stop_.stop_requested()) {
      health_.turned();
      try {
        knowledge_.follow();
        take();
        look_again();
        let_time_pass();
        if (settle(milliseconds{0}) && interval_is_over()) commit();
        tell();
      } catch (Fault const& fault) {
        start_over(fault);
      }
    }
    finish();
  }

 private:
  // ---- In.

  void take() {
    auto const room = options_.commit_count_max - std::min(options_.commit_count_max, frames_);
    auto const count = std::clamp<std::size_t>(room, 1, poll_count_max);
    batch_.clear();
    consumer_.poll(batch_, count, wait_for_input());
    if (auto const failed = std::exchange(failed_handover_, std::nullopt)) throw Fault{*failed};
    has_read_all_ = batch_.size() < count;
    for (auto& [partition, share] : shares_) share.may_wait = !share.waited_in_vain && !is_complete(share);
    for (auto& delivery : batch_)
      if (auto* const share = share_of(delivery.position)) take(*share, std::move(delivery));
    batch_.clear();
  }

  void take(Share& share, Delivery&& delivery) {
    share.fresh = true;
    if (share.waiting.empty() && transform(share, delivery)) return;
    if (share.waiting.empty()) begin_waiting(share);
    keep(share, std::move(delivery));
  }

  // decode -> symbols -> validate -> dedupe -> sequence -> output. False: its symbols are not known yet.
  bool transform(Share& share, Delivery const& delivery) {
    auto const offset = delivery.position.offset;
    if (offset < share.next) return true;
    bool const live = offset >= share.live_from;
    if (live && !share.is_live) go_live(share);
    output_.begin(share.counts, &delivery);
    auto const verdict = share.pipeline.take(raw_record(delivery), offset, live && share.may_wait,
                                             live ? static_cast<Downstream&>(output_) : silence_);
    if (verdict == Pipeline::Verdict::waits) return false;
    auto const expected = std::exchange(share.next, next(offset));
    if (live)
      count(share, verdict, expected);
    else if (share.next >= share.live_from)
      go_live(share);
    return true;
  }

  void count(Share& share, Pipeline::Verdict verdict, Offset expected) {
    ++frames_;
    auto& counts = share.counts;
    ++counts.frames;
    // A ledger begins with the first frame that there is.
    auto const skipped = to_integer(share.next) - 1 - to_integer(expected);
    if (share.ledger.frames == 0 && counts.frames == 1)
      share.ledger.from = Offset{to_integer(share.ledger.from) + skipped};
    else if (skipped > 0)
      skip(share, expected, skipped);
    if (verdict == Pipeline::Verdict::decoded) {
      ++counts.decoded;
      counts.records += static_cast<std::int64_t>(share.pipeline.records());
    }
    if (verdict == Pipeline::Verdict::ignored) ++counts.ignored;
    if (verdict == Pipeline::Verdict::dead) output_.reject_frame(share.pipeline.why());
    open_interval(share);
  }

  // Between frames stand marks of transactions. What is missing at the topic's beginning retention took before it was read.
  static void skip(Share& share, Offset expected, std::int64_t skipped) {
    auto const trimmed = std::clamp<std::int64_t>(to_integer(share.first_kept) - to_integer(expected), 0, skipped);
    share.counts.trimmed += trimmed;
    share.counts.skipped += skipped - trimmed;
    if (trimmed > 0)
      log::error("retention took frames before they were read: what they held is missing but where gaps is filled with it",
                 {{"topic", share.partition.topic},
                  {"partition", std::to_string(to_integer(share.partition.partition))},
                  {"offsets", std::to_string(trimmed)},
                  {"do", "raise kafka.raw_retention_hours above the longest time that transformers may be away"}});
  }

  // The state is what it was at the committed offset: from here on there is output.
  void go_live(Share& share) {
    share.is_live = true;
    share.next = std::max(share.next, share.live_from);
    share.ledger.resume(static_cast<std::int64_t>(share.pipeline.sequence().held()));
    output_.begin(share.counts, nullptr);
    share.pipeline.sequence().restate(output_);
    open_interval(share);
  }

  // While input is quiet the clock goes on in its place. Only where all was read: what is still to be read has its own time.
  void let_time_pass() {
    auto const now = clock_.steady();
    auto const passed = std::chrono::duration_cast<Duration>(now - std::exchange(stepped_, now));
    for (auto& [partition, share] : shares_) {
      bool const quiet = !std::exchange(share.fresh, false) && share.waiting.empty();
      if (!quiet) share.quiet = {};
      if (!quiet || !has_read_all_ || !share.is_live) continue;
      share.quiet += passed;
      output_.begin(share.counts, nullptr);
      share.pipeline.sequence().tick(share.quiet, output_);
      open_interval(share);
    }
  }

  milliseconds wait_for_input() const {
    if (!interval_since_) return idle_wait;
    auto const left = std::chrono::ceil<milliseconds>(interval_max() - (clock_.steady() - *interval_since_));
    // Over, but the one before is not settled yet: no reason to spin.
    return std::clamp(left, closing_since_ ? settle_wait : milliseconds{0}, idle_wait);
  }

  // ---- Out.

  // With the first thing that is to be committed.
  void open_interval(Share const& share) {
    if (!interval_since_ && !share.counts.empty()) interval_since_ = clock_.steady();
  }

  // Behind, it is throughput that counts.
  Duration interval_max() const {
    Duration const least = options_.commit_after;
    if (!has_read_all_) return std::max<Duration>(least, commit_after_behind);
    return std::min(least + static_cast<int>(frames_) * put_off_by_frame, std::max<Duration>(least, put_off_until));
  }
  bool interval_is_over() const {
    if (!interval_since_) return false;
    return frames_ >= options_.commit_count_max || clock_.steady() - *interval_since_ >= interval_max();
  }

  // Records, letters and the ledger first; with them, last, the offsets that they were made from. The loop goes on while the
  // broker ends it; settle() says when it counts.
  void commit() {
    settle(forever);
    Commits inputs;
    for (auto& [partition, share] : shares_) {
      if (!share.is_live || share.counts.empty()) continue;
      close_account(share);
      auto account = to_json(share.ledger, options_.group, options_.instance, clock_.now());
      inputs[partition] = {share.next, account};
      exchange_.produce(ledger_topic, ledger_record(share.ledger, std::move(account)));
    }
    if (!inputs.empty()) {
      exchange_.commit(inputs, consumer_);
      closing_since_ = interval_since_;
    }
    interval_since_.reset();
    frames_ = 0;
    settle(milliseconds{0});
  }

  // True: no commit is under way.
  bool settle(milliseconds wait) {
    if (!exchange_.settled(wait)) return false;
    if (!closing_since_) return true;
    for (auto& [partition, share] : shares_) publish_counts(share, std::exchange(share.closing, {}));
    metrics_.batch_seconds({}).Observe(std::chrono::duration<double>(clock_.steady() - *closing_since_).count());
    closing_since_.reset();
    backoff_.reset();
    commits_fail_ = false;
    return true;
  }

  // Each second, and also while nothing is committed.
  void tell() {
    auto const now = clock_.steady();
    if (now < tell_at_) return;
    tell_at_ = now + std::chrono::seconds{1};
    metrics_.lag_records({}).Set(static_cast<double>(consumer_.lag_records()));
    if (!commits_fail_) health_.good("output", "what is transformed is committed");
  }

  static void close_account(Share& share) {
    share.closing = std::exchange(share.counts, {});
    share.ledger.add(share.closing);
    share.ledger.to = share.next;
    share.ledger.held = static_cast<std::int64_t>(share.pipeline.sequence().held());
  }

  void publish_counts(Share const& share, Counts const& counts) {
    if (counts.empty()) return;
    std::string const provider{share.provider.name()};
    auto const& topic = share.partition.topic;
    auto const add = [](prometheus::Counter& counter, std::int64_t count) { counter.Increment(static_cast<double>(count)); };
    add(metrics_.received({{"provider", provider}, {"topic", topic}}), counts.frames);
    add(metrics_.ignored({{"provider", provider}, {"topic", topic}}), counts.ignored);
    for (auto const* dead : {&counts.dead, &counts.dead_frames})
      for (auto const& [reason, count] : *dead)
        add(metrics_.dead({{"provider", provider}, {"topic", topic}, {"reason", std::string{reason}}}), count);
    for (auto const& [cause, count] : counts.new_gaps)
      add(metrics_.gaps({{"provider", provider}, {"cause", std::string{cause}}}), count);
    for (std::size_t kind = 0; kind < kind_names.size(); ++kind) {
      Metrics::Labels const labels{{"provider", provider}, {"topic", "md." + std::string{kind_names[kind]}}};
      if (counts.written[kind] > 0) add(metrics_.written(labels), counts.written[kind]);
      if (counts.duplicate[kind] > 0) add(metrics_.duplicate(labels), counts.duplicate[kind]);
    }
    if (counts.last_received == Time{}) return;
    auto const hop = [&](char const* from, char const* to, Duration took) {
      metrics_.hop_seconds({{"from", from}, {"to", to}, {"provider", provider}})
          .Observe(std::chrono::duration<double>(took).count());
    };
    if (counts.last_delay) hop("event", "received", *counts.last_delay);
    hop("received", "transformed", clock_.now() - counts.last_received);
    if (counts.last_published == Time{}) return;
    hop("received", "published", counts.last_published - counts.last_received);
    hop("published", "transformed", clock_.now() - counts.last_published);
  }

  // What alerts look at is there before it happens.
  void show_all_series() {
    for (auto const* each : options_.providers) {
      std::string const provider{each->name()}, topic = "raw." + provider;
      metrics_.received({{"provider", provider}, {"topic", topic}});
      metrics_.ignored({{"provider", provider}, {"topic", topic}});
      for (auto const reason : reason::all)
        metrics_.dead({{"provider", provider}, {"topic", topic}, {"reason", std::string{reason}}});
      for (auto const cause : {GapCause::sequence, GapCause::reconnect, GapCause::late_join})
        metrics_.gaps({{"provider", provider}, {"cause", std::string{to_text(cause)}}});
    }
    metrics_.retried({{"reason", "broker"}});
  }

  // ---- Symbols.

  bool is_complete(Share const& share) const { return knowledge_.is_complete(share.provider.name()); }

  void begin_waiting(Share& share) {
    log::info("waiting for the instruments of this provider",
              {{"topic", share.partition.topic}, {"partition", std::to_string(to_integer(share.partition.partition))}});
    share.waits_until = clock_.steady() + options_.catalogue_wait;
  }

  // The instruments may be further on in the same partition; it is read on as far as memory allows.
  void keep(Share& share, Delivery&& delivery) {
    share.pipeline.learn(raw_record(delivery));
    share.waiting_bytes += delivery.value.size() + delivery_overhead_bytes;
    share.waiting.push_back(std::move(delivery));
    if (share.paused || share.waiting_bytes < waiting_bytes_max) return;
    share.paused = true;
    consumer_.pause({share.partition});
  }

  // What waited goes on, in its order, when the instruments are there, or when the wait is over.
  void look_again() {
    for (auto& [partition, share] : shares_) {
      if (share.waiting.empty()) continue;
      bool const complete = is_complete(share);
      if (!complete && clock_.steady() < share.waits_until) continue;
      share.waited_in_vain = !complete;
      share.may_wait = false;
      while (!share.waiting.empty() && transform(share, share.waiting.front())) share.waiting.pop_front();
      if (!share.waiting.empty()) continue;
      share.waiting_bytes = 0;
      if (std::exchange(share.paused, false)) consumer_.resume({partition});
    }
  }

  // ---- Whose partitions.

  std::vector<Topic> topics() const {
    std::vector<Topic> names;
    for (auto const* provider : options_.providers) names.push_back("raw." + std::string{provider->name()});
    return names;
  }

  // From inside poll(): what is done for lost partitions is committed while they are still ours.
  Offsets reassign(Assignment const& change) {
    if (!change.lost.empty()) hand_over(change.lost);
    return begin_shares(change.gained);
  }

  void hand_over(std::vector<TopicPartition> const& lost) {
    try {
      if (failed_handover_) return forget(lost);
      if (interval_since_) commit();
      settle(forever);
    } catch (Fault const& fault) {
      failed_handover_ = fault;
    }
    forget(lost);
  }

  void forget(std::vector<TopicPartition> const& lost) {
    last_share_ = nullptr;
    for (auto const& partition : lost) shares_.erase(partition);
  }

  // Reading starts W before what is committed.
  Offsets begin_shares(std::vector<TopicPartition> const& partitions) {
    Offsets starts;
    auto const committed = consumer_.committed(partitions);
    auto const kept = consumer_.beginnings(committed | std::views::keys | std::ranges::to<std::vector>());
    if (!committed.empty()) knowledge_.catch_up();  // With the gaps that the one before left open.
    last_share_ = nullptr;
    for (auto const& partition : partitions) {
      auto const found = committed.find(partition);
      auto ledger = ledger_of(partition, found == committed.end() ? Commit{} : found->second);
      if (found != committed.end())
        starts[partition] = Offset{std::max<std::int64_t>(0, to_integer(ledger.to) - options_.window_records)};
      shares_.erase(partition);
      Pipeline::Options const options{
          .window_records = options_.window_records, .hold = options_.hold, .grace = options_.grace, .live_from = ledger.to};
      auto& share =
          shares_.try_emplace(partition, partition, provider_of(partition.topic), knowledge_, options, std::move(ledger))
              .first->second;
      if (auto const first = kept.find(partition); first != kept.end()) share.first_kept = first->second;
    }
    return starts;
  }

  // Offsets that somebody else has set begin a new account.
  static Ledger ledger_of(TopicPartition const& partition, Commit const& committed) {
    if (auto found = parse_ledger(committed.metadata); found && found->to == committed.offset) return *std::move(found);
    Ledger ledger;
    ledger.topic = partition.topic;
    ledger.partition = partition.partition;
    ledger.from = ledger.to = committed.offset;
    return ledger;
  }

  Provider const& provider_of(Topic const& topic) const {
    auto const found =
        std::ranges::find_if(options_.providers, [&](auto const* each) { return topic.substr(4) == each->name(); });
    if (found == options_.providers.end()) throw Fault{Fault::Kind::fatal, "no provider reads topic " + topic};
    return **found;
  }

  // Deliveries come in runs of one partition. nullptr: not ours any more.
  Share* share_of(Position const& position) {
    if (last_share_ && position.topic.data() == last_topic_ && position.partition == last_share_->partition.partition)
      return last_share_;
    auto const found = shares_.find(TopicPartition{Topic{position.topic}, position.partition});
    last_share_ = found == shares_.end() ? nullptr : &found->second;
    last_topic_ = position.topic.data();
    return last_share_;
  }

  // ---- When the world fails.

  // Nothing of the interval counts: give it up, and make all state anew from what is committed.
  void start_over(Fault const& fault) {
    if (fault.kind() != Fault::Kind::transient) throw fault;
    give_up_interval();
    log::warning("starting over from the committed offsets", {{"why", fault.what()}});
    commits_fail_ = true;
    health_.bad("output", "what is transformed cannot be committed; it is done again until it can: " + std::string{fault.what()});
    metrics_.retried({{"reason", "broker"}}).Increment();
    do {
      health_.turned();
      clock_.sleep(backoff_.next(), stop_);
      try {
        exchange_.abort();
        if (!stop_.stop_requested()) rewind();
        return;
      } catch (Fault const& again) {
        if (again.kind() != Fault::Kind::transient) throw;
        metrics_.retried({{"reason", "broker"}}).Increment();
      }
    } while (!stop_.stop_requested());
  }

  void give_up_interval() {
    interval_since_.reset();
    closing_since_.reset();
    frames_ = 0;
  }

  void rewind() {
    auto const assigned = consumer_.assigned();
    auto starts = begin_shares(assigned);
    for (auto const& partition : assigned) starts.try_emplace(partition, Offset{0});
    failed_handover_.reset();
    consumer_.seek(starts);
    consumer_.resume(assigned);
    stepped_ = clock_.steady();
  }

  // What is not committed in time is read again by whoever comes next; a transaction that is still
  // open, or in doubt, is settled by them, too.
  void finish() {
    try {
      if (interval_since_) commit();
      settle(forever);
    } catch (Fault const& fault) {
      log::warning("the last interval was given up; it is read again next time", {{"why", fault.what()}});
      give_up_interval();
    }
    consumer_.close();
  }

  // Set once.
  Consumer& consumer_;
  Exchange& exchange_;
  Clock& clock_;
  TransformOptions const& options_;
  Metrics& metrics_;
  Health& health_;
  std::stop_token const& stop_;

  // Changes in the loop.
  Knowledge knowledge_;
  Output output_;
  Silence silence_;
  std::map<TopicPartition, Share> shares_;
  Share* last_share_ = nullptr;
  char const* last_topic_ = nullptr;
  std::vector<Delivery> batch_;
  bool has_read_all_ = false;                 ///< the last poll gave less than was asked for
  std::optional<SteadyTime> interval_since_;  ///< something is to be committed since then
  std::optional<SteadyTime> closing_since_;   ///< the same, of the interval whose commit is under way
  std::size_t frames_ = 0;                    ///< of the interval
  SteadyTime stepped_{}, tell_at_{};
  bool commits_fail_ = false;  ///< since the last that did not
  std::optional<Fault> failed_handover_;
  Backoff backoff_{backoff_first, backoff_most};
};

}  // namespace

std::vector<Topic> knowledge_topics() { return {"md." + std::string{Instrument::kind}, "md." + std::string{Gap::kind}}; }

void run_transform(Consumer& consumer, Exchange& exchange, Consumer& known, Clock& clock, TransformOptions const& options,
                   Metrics& metrics, Health& health, std::stop_token const& stop) {
  Transform{consumer, exchange, known, clock, options, metrics, health, stop}.run();
}

}  // namespace penstock
