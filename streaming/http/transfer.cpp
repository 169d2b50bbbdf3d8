#include "streaming/http/transfer.hpp"

#include <cstdlib>
#include <stdexcept>

namespace penstock::http {
namespace {

// This machine's own addresses never go through a proxy: simulated providers are there.
std::string const& no_proxy() {
  static std::string const hosts = [] {
    std::string text = "localhost,127.0.0.1,::1";
    for (auto const* name : {"no_proxy", "NO_PROXY"})
      if (auto const* value = std::getenv(name); value && *value) return text + ',' + value;
    return text;
  }();
  return hosts;
}

}  // namespace

Transfer::Transfer(CURLM* multi, TransferOptions const& options, std::string const& url, char const* schemes,
                   std::vector<Header> const& headers)
    : multi_{multi}, easy_{curl_easy_init()} {
  if (!easy_) check(CURLE_OUT_OF_MEMORY);
  for (auto const& [name, value] : headers) {
    auto* const longer = curl_slist_append(headers_.get(), (name + ": " + value).c_str());
    if (!longer) check(CURLE_OUT_OF_MEMORY);
    static_cast<void>(headers_.release());
    headers_.reset(longer);
  }
  set(CURLOPT_ERRORBUFFER, error_text_.data());
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, schemes);
  set(CURLOPT_HTTPHEADER, headers_.get());
  set(CURLOPT_USERAGENT, user_agent);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // A name that is still being looked up does not hold up the end of the process.
  set(CURLOPT_NOPROXY, no_proxy().c_str());
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
}

Transfer::~Transfer() { stop(); }

void Transfer::start() {
  if (auto const result = curl_multi_add_handle(multi_, easy()); result != CURLM_OK)
    throw std::runtime_error{curl_multi_strerror(result)};
  started_ = true;
}

void Transfer::stop() noexcept {
  if (started_) curl_multi_remove_handle(multi_, easy());
  started_ = false;
}

std::string Transfer::why(CURLcode result) const { return error_text_[0] != 0 ? error_text_.data() : curl_easy_strerror(result); }

void Transfer::check(CURLcode result) {
  if (result != CURLE_OK) throw std::runtime_error{curl_easy_strerror(result)};
}

}  // namespace penstock::http
