#include "agents/catalogue_follower.hpp"

#include "streaming/log.hpp"

namespace penstock {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t poll_count_max = 5'000;
constexpr milliseconds quiet{300};  // Nothing for so long at its end: the catalogue is read.
constexpr milliseconds limit{30'000};
constexpr milliseconds every{100};

}  // namespace

void CatalogueFollower::read(std::stop_token const& stop) {
  auto const began = clock_.steady();
  changed_ = began;
  while (!stop.stop_requested() && clock_.steady() - began < limit) {
    if (poll(quiet))
      changed_ = clock_.steady();
    else if (topic_.lag_records() == 0 && clock_.steady() - changed_ >= quiet)
      break;
  }
  version_ = catalogue_.version();
}

void CatalogueFollower::follow() {
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

bool CatalogueFollower::is_complete(std::string_view provider) const {
  return !catalogue_.empty(provider) && clock_.steady() - changed_ >= quiet;
}

bool CatalogueFollower::poll(milliseconds wait) {
  batch_.clear();
  topic_.poll(batch_, poll_count_max, wait);
  for (auto const& delivery : batch_) {
    auto const record = parse_record(Instrument::kind, delivery.value);
    if (!record)
      log::warning("an instrument cannot be read",
                   {{"topic", std::string{delivery.position.topic}}, {"error", record.error().detail}});
    else if (auto const* instrument = std::get_if<Instrument>(&*record))
      catalogue_.add(*instrument);
  }
  bool const found = !batch_.empty();
  batch_.clear();
  return found;
}

}  // namespace penstock
