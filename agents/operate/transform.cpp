#include "agents/transform.hpp"

#include "agents/connections.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/reach.hpp"
#include "agents/status.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/kafka.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace penstock {
namespace {

constexpr int instances_max = 1000;

/// A name that no other running transformer of the group has on this machine, and that the next one takes over at once
/// when this one ends, however it ends: the broker then knows it as the same member and ends what it left open.
class InstanceName {
 public:
  explicit InstanceName(std::string const& group) {
    for (int slot = 0; slot < instances_max; ++slot) {
      name_ = group + '-' + host() + '-' + std::to_string(slot);
      if (take()) return;
    }
    throw Fault{Fault::Kind::fatal,
                "there are " + std::to_string(instances_max) + " transformers of group " + group + " on this machine already"};
  }
  ~InstanceName() { ::close(socket_); }
  InstanceName(InstanceName const&) = delete;
  InstanceName& operator=(InstanceName const&) = delete;

  std::string const& text() const { return name_; }

 private:
  static std::string host() {
    std::array<char, 256> buffer{};
    if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return "localhost";
    std::string name{buffer.data()};
    std::ranges::replace_if(
        name, [](char c) { return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'); },
        '-');
    return name;
  }

  // An address of the abstract kind (leading zero byte) is free again when its process is gone.
  bool take() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    auto const length = std::min(name_.size(), sizeof address.sun_path - 1);
    std::memcpy(address.sun_path + 1, name_.data() + (name_.size() - length), length);
    socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0) throw Fault{Fault::Kind::fatal, std::string{"cannot make a socket: "} + std::strerror(errno)};
    auto const size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
    if (::bind(socket_, reinterpret_cast<sockaddr const*>(&address), size) == 0) return true;
    ::close(socket_);
    return false;
  }

  std::string name_;
  int socket_ = -1;
};

std::vector<Provider const*> providers_of(Config const& config) {
  auto names = config.list("transform.providers");
  if (names.empty()) names = config.sections("publish");
  if (names.empty()) return all_providers();
  std::vector<Provider const*> providers;
  for (auto const& name : names) {
    auto const* provider = find_provider(name);
    if (!provider) throw UsageError{"transform.providers: there is no provider '" + name + "'; `penstock list` shows them all"};
    providers.push_back(provider);
  }
  return providers;
}

// What the stores read; nobody reads letters and the ledger for sure.
kafka::Pacing pacing_of(Config const& config) {
  kafka::Pacing pacing{.bytes_max = static_cast<std::size_t>(config.integer("kafka.pace_bytes_max")), .readers = {}};
  auto kinds = config.list("store.kinds");
  if (kinds.empty()) kinds.assign(kind_names.begin(), kind_names.end());
  for (auto const& kind : kinds) pacing.readers["md." + kind] = config.text("store.group");
  return pacing;
}

int run(Invocation const& invocation) {
  auto const& config = invocation.config;
  auto const kafka = connection_of(config);
  auto const group = config.text("transform.group");
  InstanceName const instance{group};
  TransformOptions const options{.providers = providers_of(config),
                                 .group = group,
                                 .instance = instance.text(),
                                 .commit_after = config.milliseconds("transform.commit_ms_max"),
                                 .commit_count_max = static_cast<std::size_t>(config.integer("transform.commit_count_max")),
                                 .window_records = config.integer("transform.window_records"),
                                 .hold = config.milliseconds("transform.hold_ms_max"),
                                 .catalogue_wait = config.milliseconds("transform.catalogue_wait_ms_max")};

  Metrics metrics{"transform"};
  StatusWriter const status{metrics, static_cast<int>(config.integer("status.fd"))};
  if (!wait_for_broker(kafka, invocation.stop)) return stopped_as_asked;
  auto const known = kafka::make_follower(kafka, knowledge_topics(), {});
  auto const exchange = kafka::make_exchange(kafka, {.transactional_id = instance.text(),
                                                     .group = group,
                                                     .transaction_timeout = std::chrono::seconds{20},
                                                     .pacing = pacing_of(config),
                                                     .stop = invocation.stop});
  auto const consumer = kafka::make_consumer(kafka, {.group = group, .instance = instance.text(), .queue_bytes_max = 4 << 20});
  run_transform(*consumer, *exchange, *known, system_clock(), options, metrics, invocation.stop);
  return stopped_as_asked;
}

}  // namespace

Command const transform_command{
    .name = "transform",
    .summary = "Read raw.<provider>, write md.<kind>: decode, validate, remove duplicates, find holes",
    .arguments = "",
    .sections = {"transform", "kafka", "store", "status"},
    .flags = {},
    .example =
        "penstock transform --providers binance --hold-ms-max 2000   one provider; book updates wait 2 s for their snapshot",
    .run = run,
};

}  // namespace penstock
