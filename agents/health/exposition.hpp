/// Prometheus' text from status lines: an agent's /metrics is that of one line, the supervisor's that of all. No I/O. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace penstock {

class Exposition {
 public:
  using Labels = std::map<std::string, std::string>;
  static constexpr std::string_view type = "text/plain; version=0.0.4; charset=utf-8";

  Exposition();
  ~Exposition();

  /// A counter or gauge of metric_families().
  void add(std::string_view family, Labels const& labels, double value);
  /// All that a status line says, with `labels` added to each series: its metrics, penstock_ready, penstock_build_info, memory
  /// and CPU. A line that is none adds nothing. False then.
  bool add_status(std::string const& line, Labels const& labels);

  std::string text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace penstock
