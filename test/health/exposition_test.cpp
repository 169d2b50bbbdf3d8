#include "agents/health/exposition.hpp"

#include "streaming/metric_families.hpp"
#include "streaming/metrics.hpp"

#include <doctest/doctest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <algorithm>

using namespace penstock;

namespace {

std::string text_of(Metrics const& metrics, std::string_view more = {}, Exposition::Labels const& labels = {}) {
  Exposition exposition;
  CHECK(exposition.add_status(metrics.status_line(more), labels));
  return exposition.text();
}

}  // namespace

TEST_CASE("exposition: counters and gauges arrive with their labels, their help and their type") {
  Metrics metrics{"store"};
  metrics.written({{"topic", "md.trades"}}).Increment(1234567);
  metrics.lag_records({}).Set(7);
  auto const text = text_of(metrics, {}, {{"instance", "store 2"}});
  CHECK(text.contains("# TYPE penstock_written_total counter\n"));
  CHECK(text.contains("# HELP penstock_lag_records "));
  CHECK(text.contains("penstock_written_total{agent=\"store\",instance=\"store 2\",topic=\"md.trades\"} 1234567\n"));
  CHECK(text.contains("penstock_lag_records{agent=\"store\",instance=\"store 2\"} 7\n"));
  CHECK(text.contains("process_resident_memory_bytes{agent=\"store\",instance=\"store 2\"} "));
  CHECK(text.contains("process_cpu_seconds_total{agent=\"store\",instance=\"store 2\"} "));
}

TEST_CASE("exposition: a histogram has all its buckets, cumulative, whatever the status line left out") {
  Metrics metrics{"transform"};
  for (auto const seconds : {0.0009, 0.002, 0.02, 0.02, 1000.0}) metrics.batch_seconds({}).Observe(seconds);
  auto const text = text_of(metrics);
  CHECK(text.contains("penstock_batch_seconds_count{agent=\"transform\"} 5\n"));
  CHECK(text.contains("penstock_batch_seconds_bucket{agent=\"transform\",le=\"0.001\"} 1\n"));
  CHECK(text.contains("penstock_batch_seconds_bucket{agent=\"transform\",le=\"0.0025\"} 2\n"));
  CHECK(text.contains("penstock_batch_seconds_bucket{agent=\"transform\",le=\"0.01\"} 2\n"));
  CHECK(text.contains("penstock_batch_seconds_bucket{agent=\"transform\",le=\"0.025\"} 4\n"));
  CHECK(text.contains("penstock_batch_seconds_bucket{agent=\"transform\",le=\"60\"} 4\n"));
  CHECK(text.contains("penstock_batch_seconds_bucket{agent=\"transform\",le=\"+Inf\"} 5\n"));
  auto const bounds = find_metric_family("penstock_batch_seconds")->bounds.size();
  std::size_t buckets = 0;
  for (auto at = text.find("_bucket{"); at != text.npos; at = text.find("_bucket{", at + 1)) ++buckets;
  CHECK(buckets == bounds + 1);
}

TEST_CASE("exposition: several agents are one page, each family once") {
  Metrics a{"transform"}, b{"transform"};
  a.lag_records({}).Set(1);
  b.lag_records({}).Set(2);
  Exposition exposition;
  exposition.add_status(a.status_line(), {{"instance", "transform 1"}});
  exposition.add_status(b.status_line(), {{"instance", "transform 2"}});
  exposition.add("penstock_up", {{"agent", "store"}, {"instance", "store"}}, 0);
  auto const text = exposition.text();
  auto const first = text.find("# TYPE penstock_lag_records gauge");
  CHECK(first != text.npos);
  CHECK(text.find("# TYPE penstock_lag_records gauge", first + 1) == text.npos);
  CHECK(text.contains("penstock_lag_records{agent=\"transform\",instance=\"transform 1\"} 1\n"));
  CHECK(text.contains("penstock_lag_records{agent=\"transform\",instance=\"transform 2\"} 2\n"));
  CHECK(text.contains("penstock_up{agent=\"store\",instance=\"store\"} 0\n"));
}

TEST_CASE("exposition: version and checks are series, too") {
  Metrics const metrics{"publish"};
  auto const text =
      text_of(metrics, R"("version":"1.2.3","checks":[{"name":"broker","ready":true},{"name":"lag","ready":false}],)");
  CHECK(text.contains("penstock_build_info{agent=\"publish\",version=\"1.2.3\"} 1\n"));
  CHECK(text.contains("penstock_ready{agent=\"publish\",check=\"broker\"} 1\n"));
  CHECK(text.contains("penstock_ready{agent=\"publish\",check=\"lag\"} 0\n"));
}

TEST_CASE("exposition: a line that is none adds nothing, an unknown name is left out") {
  for (auto const* line : {"", "{", "[]", "{\"agent\":\"store\"}", "{\"metrics\":7}"}) {
    CAPTURE(line);
    Exposition exposition;
    CHECK_FALSE(exposition.add_status(line, {}));
    CHECK(exposition.text().empty());
  }
  Exposition exposition;
  CHECK(exposition.add_status(R"({"agent":"x","metrics":[{"name":"other","labels":{},"value":1},{"name":7}]})", {}));
  CHECK(exposition.text().empty());
}
