/// A fetched record's headers, read where they lie: docs/decisions/headers-in-place.md. Only for the .cpp files of this folder.
#pragma once

#include "streaming/record.hpp"

#include <string_view>

namespace penstock::kafka {

using HeaderViews = decltype(Delivery::headers);

/// Of a record whose key and value are those that librdkafka handed out; the views live as long. False, and `into` is empty:
/// what is around them is not a record as Kafka's protocol spells it (format 2, https://kafka.apache.org/documentation/#record),
/// or key or value are empty, or headers are more than a thousand, or take a hundred times their bytes; ask librdkafka. Nothing
/// outside of the record is read. Pure; any thread.
bool read_headers_in_place(std::string_view key, std::string_view value, HeaderViews& into);

}  // namespace penstock::kafka
