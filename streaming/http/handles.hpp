/// libcurl's handles, which free themselves. A multi handle must outlive the easy handles that were added to it.
#pragma once

#include <curl/curl.h>

#include <memory>

namespace penstock::http {

template <auto destroy>
struct Destroy {
  void operator()(auto* handle) const noexcept { destroy(handle); }
};
using Easy = std::unique_ptr<CURL, Destroy<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, Destroy<curl_multi_cleanup>>;
using Url = std::unique_ptr<CURLU, Destroy<curl_url_cleanup>>;
using List = std::unique_ptr<curl_slist, Destroy<curl_slist_free_all>>;

}  // namespace penstock::http
