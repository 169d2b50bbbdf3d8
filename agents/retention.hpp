/// Drops what is older than its kind's limit, at once and then every hour, on a connection and thread of its own. What fails
/// is logged and tried again in an hour. Destruction cancels what runs, in 1 s.
#pragma once

#include "streaming/postgres/connection.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <thread>

namespace penstock {

class Retention {
 public:
  using Days = std::map<std::string, std::int64_t>;  ///< per kind; 0: it is kept for ever

  /// Throws UsageError for an unusable database URL.
  Retention(postgres::Settings database, Days days);
  Retention(Retention const&) = delete;
  Retention& operator=(Retention const&) = delete;

 private:
  void run(std::stop_token const& stop) const;
  void drop(std::stop_token const& stop) const;

  postgres::Settings database_;
  Days days_;
  std::jthread thread_;
};

}  // namespace penstock
