/// Why a broker does not let us in, in the words of penstock's settings. Pure. Only for the .cpp files of this folder.
#pragma once

#include "streaming/kafka/handles.hpp"

#include <string>
#include <string_view>

namespace penstock::kafka {

/// Why, and which setting to change, where asking again cannot help; "" for everything else. `certificate_error`: OpenSSL's
/// verdict on the broker's certificate, 0 for none.
std::string refusal_text(rd_kafka_resp_err_t error, std::string_view reason, int certificate_error);

/// For a broker that hangs up without a word, which one that is starting does, too: what may be wrong; "" for everything else.
std::string_view silence_advice(std::string_view reason);

/// "host:1/bootstrap: Connect failed: refused (after 0ms in state CONNECT)" -> "Connect failed: refused".
std::string plain(std::string_view reason);

}  // namespace penstock::kafka
