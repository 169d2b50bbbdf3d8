#include "agents/raw_record.hpp"

#include <charconv>

namespace penstock {

RawRecord raw_record(Delivery const& delivery) {
  RawRecord raw{.key = delivery.key, .value = delivery.value, .received_at = delivery.timestamp};
  for (auto const& [name, value] : delivery.headers) {
    if (name == "channel")
      raw.channel = value;
    else if (name == "symbol")
      raw.symbol = value;
    else if (name == "request")
      raw.request = value;
    else if (name == "received_at")
      raw.received_at = parse_time(value).value_or(delivery.timestamp);
    else if (name == "origin")
      raw.origin = parse_origin(value).value_or(Origin::live);
    else if (name == "publisher")
      raw.publisher = value;
    else if (name == "connection")
      raw.connection = value;
    else if (name == "ordinal")
      std::from_chars(value.data(), value.data() + value.size(), raw.ordinal);
    else if (name == "attempt")
      raw.replayed = true;
  }
  return raw;
}

}  // namespace penstock
