#include "agents/fetcher.hpp"

#include "streaming/log.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

namespace penstock {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t running_max = 4;
constexpr std::size_t body_bytes_max = 20'000'000;  // Topics take 20 MiB; key and headers need some of it.
constexpr auto line_wait = 1s;                      // Whoever was first in line and no longer asks has gone.

http::Exchange exchange_of(Request const& request) {
  http::Exchange exchange{
      .post = request.method == Request::Method::post, .url = request.url, .body = request.body, .headers = request.headers};
  if (exchange.post) exchange.headers.emplace_back("Content-Type", "application/json");
  return exchange;
}

}  // namespace

Fetcher::Fetcher(Publishing& publishing)
    : publishing_{publishing},
      budget_remaining_{publishing.metrics.budget_remaining({{"provider", std::string{publishing.provider.name()}}})},
      connection_{publishing.next_connection()},
      budget_{publishing.provider.limits().weight_per_minute, 1min} {
  show_budget();
}

bool Fetcher::ready(Request const& request) {
  auto const now = publishing_.clock.steady();
  show_budget();
  if (now >= asked_again_ + line_wait) first_in_line_ = nullptr;
  if (first_in_line_ == &request) asked_again_ = now;
  if (!publishing_.queue.open() || running_ >= running_max || now < throttled_until_) return false;
  if (first_in_line_ && first_in_line_ != &request) return false;
  if (budget_.allows(request.weight, now)) return true;
  first_in_line_ = &request;
  asked_again_ = now;
  return false;
}

void Fetcher::start(Request const& request, Done done) {
  ++running_;
  if (first_in_line_ == &request) first_in_line_ = nullptr;
  budget_.take(request.weight, publishing_.clock.steady());
  show_budget();
  publishing_.client.request(exchange_of(request), [this, request, done = std::move(done)](http::Reply reply) {
    finish(request, {.status = reply.status, .headers = std::move(reply.headers), .body = std::move(reply.body)}, done);
  });
}

void Fetcher::finish(Request const& request, Response const& response, Done const& done) {
  --running_;
  auto const received_at = publishing_.clock.now();
  auto const answer = meaning_of(request, response);
  if (answer.budget_used) budget_.observe(*answer.budget_used, publishing_.clock.steady());
  bool const good = answer.kind == Answer::Kind::ok || answer.kind == Answer::Kind::empty;
  if (answer.kind == Answer::Kind::throttled) throttle(answer);
  if (good) backoff_.reset();
  done(answer);
  if (answer.kind != Answer::Kind::ok) return;
  publishing_.publish({.value = response.body,
                       .channel = request.channel,
                       .symbol = request.symbol,
                       .request = request.text(),
                       .connection = connection_,
                       .origin = request.origin,
                       .received_at = received_at,
                       .ordinal = ordinal_++});
}

Answer Fetcher::meaning_of(Request const& request, Response const& response) const {
  auto answer = publishing_.provider.classify(request, response);
  if (answer.kind == Answer::Kind::ok && response.body.size() > body_bytes_max) {
    answer.kind = Answer::Kind::refused;
    answer.detail =
        "the answer has " + std::to_string(response.body.size()) + " bytes, more than the log takes: ask for fewer symbols";
  }
  return answer;
}

void Fetcher::throttle(Answer const& answer) {
  auto const wait = answer.wait > 0ms ? answer.wait : backoff_.next();
  publishing_.retried("throttled").Increment();
  log::warning("the provider asks for slower requests", {{"wait_ms", std::to_string(wait.count())}, {"why", answer.detail}});
  throttled_until_ = std::max(throttled_until_, publishing_.clock.steady() + wait);
}

void Fetcher::show_budget() { budget_remaining_.Set(static_cast<double>(budget_.remaining(publishing_.clock.steady()))); }

}  // namespace penstock
