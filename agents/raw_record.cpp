#include "agents/raw_record.hpp"

#include <charconv>

namespace penstock {

[[gnu::flatten]] RawRecord raw_record(Delivery const& delivery) {
  RawRecord raw{.key = delivery.key, .value = delivery.value, .received_at = delivery.timestamp};
  for (auto const& [name, value] : delivery.headers) {
    // By length first: comparing with each name in turn costs more than decoding a field.
    switch (name.size()) {
      case 6:
        if (name == "symbol") raw.symbol = value;
        if (name == "origin") raw.origin = parse_origin(value).value_or(Origin::live);
        break;
      case 7:
        if (name == "channel") raw.channel = value;
        if (name == "request") raw.request = value;
        if (name == "ordinal") std::from_chars(value.data(), value.data() + value.size(), raw.ordinal);
        if (name == "attempt") raw.replayed = true;
        break;
      case 9:
        if (name == "publisher") raw.publisher = value;
        break;
      case 10:
        if (name == "connection") raw.connection = value;
        break;
      case 11:
        if (name == "received_at") raw.received_at = parse_time(value).value_or(delivery.timestamp);
        break;
      default: break;
    }
  }
  return raw;
}

}  // namespace penstock
