#include "agents/operate/top_source.hpp"

#include "streaming/fault.hpp"
#include "streaming/http/client.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace penstock {

namespace {

using namespace std::chrono_literals;

constexpr auto file_age_max = 10s;
constexpr auto answer_wait = 5s;

[[noreturn]] void fail(std::string const& what) { throw Fault{Fault::Kind::transient, what}; }

class FileSource final : public SnapshotSource {
 public:
  explicit FileSource(std::string path) : path_{std::move(path)} {}

  Snapshot fetch(std::stop_token const& /*stop*/) override {
    struct stat about{};
    std::ifstream in{path_, std::ios::binary};
    if (!in || ::stat(path_.c_str(), &about) != 0)
      fail("cannot read " + path_ + " (" + std::strerror(errno) + "): start `penstock up --status-file " + path_ +
           "`, or name its file");
    Time const at{std::chrono::seconds{about.st_mtim.tv_sec} +
                  std::chrono::duration_cast<Duration>(std::chrono::nanoseconds{about.st_mtim.tv_nsec})};
    auto const age = std::chrono::floor<std::chrono::seconds>(system_clock().now() - at);
    if (age > file_age_max)
      fail(path_ + " was written " + std::to_string(age.count()) + " s ago: `penstock up` does not run any more, or hangs");
    if (auto snapshot = parse_snapshot(std::string{std::istreambuf_iterator<char>{in}, {}}, at)) return *std::move(snapshot);
    fail(path_ + " is no status file of `penstock up`: name the one that --status-file of `penstock up` names");
  }

 private:
  std::string path_;
};

class HttpSource final : public SnapshotSource {
 public:
  explicit HttpSource(std::string const& url) : url_{url + (url.ends_with('/') ? "agents" : "/agents")} {}

  Snapshot fetch(std::stop_token const& stop) override {
    std::optional<http::Reply> reply;
    client_->request({.url = url_, .timeout = answer_wait}, [&](http::Reply got) { reply = std::move(got); });
    while (!reply && !stop.stop_requested()) client_->run(50ms);
    auto const at = system_clock().now();
    if (!reply) {
      client_ = http::make_client();  // The request goes with its client.
      fail("stopped");
    }
    if (reply->status != 200)
      fail(url_ + " does not answer as it should (" + (reply->status == 0 ? reply->body : std::to_string(reply->status)) +
           "): set http.listen of `penstock up`, and name its address here");
    if (auto snapshot = parse_snapshot(reply->body, at)) return *std::move(snapshot);
    fail(url_ + " answers something that `penstock up` does not say: name the address in its http.listen");
  }

 private:
  std::string url_;
  std::unique_ptr<http::Client> client_ = http::make_client();
};

}  // namespace

std::unique_ptr<SnapshotSource> file_source(std::string path) { return std::make_unique<FileSource>(std::move(path)); }
std::unique_ptr<SnapshotSource> http_source(std::string const& url) { return std::make_unique<HttpSource>(url); }

}  // namespace penstock
