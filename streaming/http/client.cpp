#include "streaming/http/client.hpp"

#include "streaming/fault.hpp"
#include "streaming/http/transfer.hpp"
#include "streaming/http/websocket.hpp"

#include <algorithm>
#include <cctype>
#include <set>
#include <stdexcept>
#include <unordered_map>
#include <utility>

namespace penstock::http {
namespace {

constexpr std::size_t body_bytes_max = 64 * 1024 * 1024;
constexpr std::size_t headers_max = 200;
constexpr std::size_t sockets_max = 256;

/// One request, from start to reply.
class HttpTransfer final : public Transfer {
 public:
  using Finished = std::function<void(HttpTransfer&, Reply)>;

  HttpTransfer(CURLM* multi, TransferOptions const& options, Exchange exchange, Finished finished)
      : Transfer{multi, options, exchange.url, "http,https", exchange.headers},
        exchange_{std::move(exchange)},
        finished_{std::move(finished)} {
    set(CURLOPT_ACCEPT_ENCODING, "");  // All that libcurl can undo.
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(exchange_.timeout.count()));
    // Own headers may hold a key, which is not for whatever host a redirect names.
    set(CURLOPT_FOLLOWLOCATION, exchange_.headers.empty() && exchange_.user.empty() ? 1L : 0L);
    set(CURLOPT_MAXREDIRS, 5L);
    set(CURLOPT_REDIR_PROTOCOLS_STR, exchange_.url.starts_with("https:") ? "https" : "http,https");
    if (exchange_.put) set(CURLOPT_CUSTOMREQUEST, "PUT");
    if (!exchange_.user.empty()) {
      set(CURLOPT_USERNAME, exchange_.user.c_str());
      set(CURLOPT_PASSWORD, exchange_.password.c_str());
    }
    if (exchange_.post || exchange_.put) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(exchange_.body.size()));
      set(CURLOPT_POSTFIELDS, exchange_.body.c_str());
    }
    set(CURLOPT_WRITEFUNCTION, &take_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &take_header);
    set(CURLOPT_HEADERDATA, this);
    start();
  }

  void finished(CURLcode result) override {
    if (result == CURLE_OK) {
      long status = 0;
      curl_easy_getinfo(easy(), CURLINFO_RESPONSE_CODE, &status);
      reply_.status = static_cast<int>(status);
    } else {
      auto const too_long = result == CURLE_WRITE_ERROR && overflow_;
      reply_ = {.status = 0, .headers = {}, .body = too_long ? "the answer is longer than 64 MB" : why(result)};
    }
    stop();
    finished_(*this, std::move(reply_));
  }

 private:
  // libcurl is C: nothing may be thrown through it. Fewer bytes taken than given ends the transfer.
  static std::size_t take_body(char* bytes, std::size_t, std::size_t count, void* self) noexcept try {
    auto& transfer = *static_cast<HttpTransfer*>(self);
    transfer.overflow_ = transfer.reply_.body.size() + count > body_bytes_max;
    if (transfer.overflow_) return 0;
    transfer.reply_.body.append(bytes, count);
    return count;
  } catch (std::exception const&) {
    return 0;
  }
  static std::size_t take_header(char* bytes, std::size_t, std::size_t count, void* self) noexcept try {
    auto& headers = static_cast<HttpTransfer*>(self)->reply_.headers;
    std::string_view line{bytes, count};
    if (line.starts_with("HTTP/")) headers.clear();  // Those before were of a redirect or a "100 Continue".
    auto const colon = line.find(':');
    if (colon == line.npos) return count;
    if (headers.size() >= headers_max) return 0;
    std::string name{line.substr(0, colon)};
    std::ranges::transform(name, name.begin(), [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    line.remove_prefix(colon + 1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    headers.emplace_back(std::move(name), std::string{line.substr(0, line.find_last_not_of(" \t\r\n") + 1)});
    return count;
  } catch (std::exception const&) {
    return 0;
  }

  Exchange exchange_;
  Finished finished_;
  Reply reply_;
  bool overflow_ = false;
};

/// A connect that could not even begin.
class ClosedWebsocket final : public Websocket {
 public:
  explicit ClosedWebsocket(std::string error) : error_{std::move(error)} {}
  State state() const override { return State::closed; }
  std::string const& error() const override { return error_; }
  void send(std::string) override {}
  std::optional<std::string_view> receive() override { return std::nullopt; }
  void close() override {}

 private:
  std::string error_;
};

void check(CURLMcode result) {
  if (result != CURLM_OK) throw Fault{Fault::Kind::transient, std::string{"libcurl: "} + curl_multi_strerror(result)};
}

Multi make_multi() {
  static auto const initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  Multi multi{initialised == CURLE_OK ? curl_multi_init() : nullptr};
  if (!multi) throw Fault{Fault::Kind::fatal, "libcurl cannot be initialised"};
  return multi;
}

class CurlClient final : public Client {
 public:
  explicit CurlClient(TransferOptions options) : options_{std::move(options)}, multi_{make_multi()} {}

  void request(Exchange exchange, Done done) override try {
    auto transfer = std::make_unique<HttpTransfer>(
        multi_.get(), options_, std::move(exchange),
        [this, done](HttpTransfer& finished, Reply reply) { finish(finished, done, std::move(reply)); });
    auto* const key = transfer.get();
    requests_.emplace(key, std::move(transfer));
  } catch (std::runtime_error const& error) {
    failed_.emplace_back(std::move(done), error.what());
  }

  std::unique_ptr<Websocket> connect(std::string const& url, std::vector<Header> const& headers) override try {
    if (sockets_.size() >= sockets_max) return std::make_unique<ClosedWebsocket>("too many websockets are open");
    return std::make_unique<CurlWebsocket>(multi_.get(), options_, sockets_, Opening{url, headers});
  } catch (std::runtime_error const& error) {
    return std::make_unique<ClosedWebsocket>(error.what());
  }

  void run(std::chrono::milliseconds wait, bool read) override {
    bool const worked = work();
    auto const watched = descriptors(read);
    bool const more = read && std::ranges::any_of(sockets_, &CurlWebsocket::may_hold_more);
    auto const limit = worked || more ? 0 : static_cast<int>(wait.count());
    check(curl_multi_poll(multi_.get(), watched_.data(), static_cast<unsigned>(watched), limit, nullptr));
    work();
  }

  std::size_t requests_running() const override { return requests_.size() + failed_.size(); }

 private:
  /// Moves all on as far as it goes without waiting; true: a request or a connect came to its end.
  bool work() {
    int running = 0;
    check(curl_multi_perform(multi_.get(), &running));
    bool finished = finish_failed();
    int left = 0;
    while (auto const* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      finished = true;
      void* transfer = nullptr;
      auto const result = message->data.result;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      static_cast<Transfer*>(transfer)->finished(result);
    }
    for (auto* const socket : sockets_) socket->work();
    return finished;
  }

  bool finish_failed() {
    auto failed = std::exchange(failed_, {});
    for (auto& [done, why] : failed) done({.status = 0, .headers = {}, .body = std::move(why)});
    return !failed.empty();
  }

  void finish(HttpTransfer& transfer, Done const& done, Reply reply) {
    auto const kept = requests_.extract(&transfer);
    done(std::move(reply));
  }

  /// Fills watched_ and returns how many there are. A socket that nothing is wanted of is left out: poll would tell of
  /// its hang-up again and again.
  std::size_t descriptors(bool read) {
    watched_.clear();
    for (auto const* socket : sockets_) {
      auto const events = socket->events(read);
      auto const descriptor = socket->descriptor();
      if (events != 0 && descriptor != CURL_SOCKET_BAD) watched_.push_back({.fd = descriptor, .events = events, .revents = 0});
    }
    return watched_.size();
  }

  // Set once.
  TransferOptions options_;
  Multi multi_;
  // Changes.
  std::unordered_map<HttpTransfer*, std::unique_ptr<HttpTransfer>> requests_;
  std::vector<std::pair<Done, std::string>> failed_;  ///< never started; told from run(), as all are
  std::set<CurlWebsocket*> sockets_;
  std::vector<curl_waitfd> watched_;
};

}  // namespace

std::unique_ptr<Client> make_client(std::string const& ca_file, std::chrono::milliseconds connect_timeout) {
  return std::make_unique<CurlClient>(TransferOptions{.ca_file = ca_file, .connect_timeout = connect_timeout});
}

}  // namespace penstock::http
