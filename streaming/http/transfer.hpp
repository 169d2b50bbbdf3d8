/// What a request and a websocket's connect have in common: an easy handle, driven by the client's multi handle.
#pragma once

#include "streaming/http/handles.hpp"
#include "streaming/record.hpp"

#include <array>
#include <chrono>
#include <string>
#include <vector>

namespace penstock::http {

inline constexpr auto user_agent = "penstock/0.1";

struct TransferOptions {
  std::string ca_file;
  std::chrono::milliseconds connect_timeout{};
};

class Transfer {
 public:
  /// Throws std::runtime_error where libcurl refuses an option (out of memory).
  Transfer(CURLM* multi, TransferOptions const& options, std::string const& url, char const* schemes,
           std::vector<Header> const& headers);
  virtual ~Transfer();
  Transfer(Transfer const&) = delete;
  Transfer& operator=(Transfer const&) = delete;

  /// Called by the client when libcurl is through with it. May destroy this object.
  virtual void finished(CURLcode result) = 0;

 protected:
  template <class Value>
  void set(CURLoption option, Value value) {
    check(curl_easy_setopt(easy_.get(), option, value));
  }
  void start();
  /// From now on libcurl knows nothing of it.
  void stop() noexcept;
  CURL* easy() const { return easy_.get(); }
  /// In words, without the URL (queries may hold keys).
  std::string why(CURLcode result) const;

 private:
  static void check(CURLcode result);

  CURLM* multi_;
  List headers_;
  std::array<char, CURL_ERROR_SIZE> error_text_{};
  Easy easy_;  // Last: dies first, and uses the others until then.
  bool started_ = false;
};

}  // namespace penstock::http
