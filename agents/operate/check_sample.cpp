#include "agents/operate/check_sample.hpp"

#include "agents/connections.hpp"
#include "agents/dead/decode.hpp"
#include "agents/operate/clock_skew.hpp"
#include "agents/operate/watched_client.hpp"
#include "agents/publish.hpp"
#include "agents/subscription.hpp"
#include "streaming/fault.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <set>

namespace penstock {

namespace {

using namespace std::chrono_literals;
using State = Found::State;

constexpr std::size_t records_of_channel_max = 50;
constexpr std::size_t rows_of_table_max = 1;

/// Takes everything as if it were the broker, and keeps the first records of each channel.
class Collector final : public Producer {
 public:
  Collector(std::set<std::string> channels, std::chrono::steady_clock::time_point until, std::stop_source& end)
      : missing_{std::move(channels)}, until_{until}, end_{end} {}

  bool produce(std::string_view topic, Record const& record) override {
    ++taken_;
    if (!topic.starts_with("raw.")) return true;
    auto const found = std::ranges::find(record.headers, "channel", &Header::first);
    auto const channel = found == record.headers.end() ? std::string{} : found->second;
    missing_.erase(channel);
    if (channel != "control" && counts_[channel]++ < records_of_channel_max) records_.push_back(record);
    if (missing_.empty()) end_.request_stop();
    return true;
  }
  void poll(std::chrono::milliseconds) override {
    if (std::chrono::steady_clock::now() >= until_) end_.request_stop();
  }
  void flush(std::chrono::milliseconds) override {}
  std::size_t queued_records() const override { return 0; }
  std::int64_t written_total() const override { return taken_; }
  std::int64_t settled_total() const override { return taken_; }

  std::vector<Record> const& records() const { return records_; }
  std::map<std::string, std::size_t> const& counts() const { return counts_; }

 private:
  std::set<std::string> missing_;
  std::chrono::steady_clock::time_point until_;
  std::stop_source& end_;
  std::vector<Record> records_;
  std::map<std::string, std::size_t> counts_;  ///< by channel, control frames too
  std::int64_t taken_ = 0;
};

/// What becomes of raw records on the rest of their way.
struct Sampled {
  std::map<std::string, std::size_t> rows_of;  ///< by table
  std::vector<std::pair<std::string, std::string>> rows;
  std::size_t rejected = 0;
  std::string why;  ///< of the first that was
};

Delivery delivery_of(Record const& record, Topic const& topic) {
  Delivery delivery{.position = {topic, Partition{0}, Offset{0}}, .key = record.key, .value = record.value};
  delivery.headers.assign(record.headers.begin(), record.headers.end());
  return delivery;
}

void add(Sampled& sampled, DecodedNow const& now) {
  for (auto const& [kind, json] : now.records)
    if (sampled.rows_of[kind]++ < rows_of_table_max) sampled.rows.emplace_back(kind, json);
  auto const reject = [&](Reject const& why) {
    if (sampled.rejected++ == 0) sampled.why = std::string{why.reason} + ": " + why.detail;
  };
  for (auto const& why : now.frame) reject(why);
  for (auto const& [index, why] : now.rejected) reject(why);
}

Sampled decoded(std::vector<Record> const& records, Topic const& topic) {
  Sampled sampled;
  Catalogue catalogue;
  for (auto const& record : records) add(sampled, decode_now(delivery_of(record, topic), topic, catalogue));
  return sampled;
}

std::string listed(std::map<std::string, std::size_t> const& counts) {
  std::string out;
  for (auto const& [name, count] : counts) out += std::format("{}{} {}", out.empty() ? "" : ", ", name, count);
  return out;
}

Found judged(Collector const& collector, Sampled sampled, WatchedClient const& client, Subscription const& subscription,
             std::string const& name, std::chrono::milliseconds limit) {
  auto const within = std::format("within {} s", std::chrono::ceil<std::chrono::seconds>(limit).count());
  auto const because = client.trouble().empty() ? "" : " (" + client.trouble() + ')';
  std::string missing;
  for (auto const& channel : subscription.channels)
    if (!collector.counts().contains(channel)) missing += (missing.empty() ? "" : ", ") + channel;
  if (sampled.rows.empty())
    return {State::wrong, "nothing came " + within + because + ": look at the network, at " + "publish." + name +
                              ".http_url and websocket_url, and at the provider's status page"};
  auto text = "rows: " + listed(sampled.rows_of);
  if (sampled.rejected > 0)
    text += std::format("; {} would go to raw.{}.dead, the first for {}: look for a newer version of penstock", sampled.rejected,
                        name, sampled.why);
  if (!missing.empty()) text += "; nothing from " + missing + ' ' + within + because;
  text += skew_text("the provider's", client.skew());
  Found found{text.contains(';') ? State::warning : State::ok, std::move(text)};
  found.rows = std::move(sampled.rows);
  return found;
}

}  // namespace

Found live_sample(Config const& config, std::string const& name, std::chrono::milliseconds limit, std::stop_token const& stop) {
  auto const& provider = provider_named(name);
  auto const subscription = subscription_of(provider, config);
  std::stop_source end;
  std::stop_callback const passed_on{stop, [&] { end.request_stop(); }};
  Collector collector{
      {subscription.channels.begin(), subscription.channels.end()}, std::chrono::steady_clock::now() + limit, end};
  WatchedClient client{http::make_client(config.text(publish_key(provider, "ca_file")), limit)};
  Metrics metrics{"check"};
  Health health;
  PublishOptions const options{.publisher = agent_instance("check-" + name), .flush_max = 500ms};
  run_publish(
      provider, subscription, options, client, collector, nullptr, [] { return nullptr; }, system_clock(), metrics, health,
      end.get_token());
  return judged(collector, decoded(collector.records(), "raw." + name), client, subscription, name, limit);
}

}  // namespace penstock
