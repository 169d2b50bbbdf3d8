#include "agents/knowledge.hpp"

#include "streaming/log.hpp"

namespace penstock {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t poll_count_max = 5'000;
constexpr milliseconds quiet{300};  // Nothing for so long at its end: the catalogue is read.
constexpr milliseconds limit{30'000};
constexpr milliseconds catch_up_max{5'000};
constexpr milliseconds every{100};

}  // namespace

void Knowledge::read(std::stop_token const& stop) {
  auto const began = clock_.steady();
  changed_ = began;
  while (!stop.stop_requested() && clock_.steady() - began < limit) {
    if (poll(quiet))
      changed_ = clock_.steady();
    else if (topics_.lag_records() == 0 && clock_.steady() - changed_ >= quiet)
      break;
  }
  version_ = catalogue_.version();
}

void Knowledge::follow() {
  auto const now = clock_.steady();
  if (now >= next_) {
    next_ = now + every;
    while (poll(milliseconds{0})) {
    }
  }
  if (version_ == catalogue_.version()) return;
  version_ = catalogue_.version();
  changed_ = now;
}

void Knowledge::catch_up() {
  auto const until = clock_.steady() + catch_up_max;
  while ((poll(milliseconds{10}) || topics_.lag_records() > 0) && clock_.steady() < until) {
  }
}

bool Knowledge::is_complete(std::string_view provider) const {
  return !catalogue_.empty(provider) && clock_.steady() - changed_ >= quiet;
}

bool Knowledge::poll(milliseconds wait) {
  batch_.clear();
  topics_.poll(batch_, poll_count_max, wait);
  for (auto const& delivery : batch_) learn(delivery);
  bool const found = !batch_.empty();
  batch_.clear();
  return found;
}

void Knowledge::learn(Delivery const& delivery) {
  auto const topic = delivery.position.topic;
  auto const record = parse_record(topic.substr(topic.find('.') + 1), delivery.value);
  if (!record)
    log::warning("a record cannot be read", {{"topic", std::string{topic}}, {"why", record.error().detail}});
  else if (auto const* instrument = std::get_if<Instrument>(&*record))
    catalogue_.add(*instrument);
  else if (auto const* gap = std::get_if<Gap>(&*record))
    open_gaps_.see(*gap);
}

}  // namespace penstock
