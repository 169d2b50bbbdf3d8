/// Where `penstock audit` has its facts from. It takes nothing away and stops nobody, so everything moves while it looks.
///
/// 1. what transformers have written: each ledger together with the offset that it moved with (the offset's metadata)
/// 2. what stores have read and written: one snapshot of the database
/// 3. where the topics end
/// 4. what is there between 2 and 3: records in flight, letters of the offsets that 1 and 2 cover
/// 5. what transformers have written, once more
///
/// What goes on meanwhile can only make more be in flight. Each partition's own sums are of one moment, so they are exact; what
/// stores have read with what is in flight must lie between 1 and 5, which are the same where the pipeline stands still.
/// What the log shows a little later in one partition than in another is not thought of: who finds a difference looks again.
#pragma once

#include "agents/audit.hpp"
#include "streaming/kafka/kafka.hpp"
#include "streaming/postgres/connection.hpp"

#include <stop_token>
#include <string>
#include <vector>

namespace penstock {

struct AuditSources {
  kafka::Connection kafka;
  postgres::Connection& database;
  std::string transform_group, store_group;
  std::vector<std::string> kinds;  ///< that are stored
  bool read_all = false;           ///< letters and records in flight are read however many there are
  std::stop_token stop;
};

/// Letters of a topic and records in flight in it are read up to so many offsets; more are bounded, not counted.
inline constexpr std::int64_t audit_read_max = 100'000;

/// All but `tables`. Takes as long as there are partitions, hours and letters, not rows. Throws Fault, also when stopped.
AuditFacts audit_facts(AuditSources const& sources);

/// The rows of `kinds`, counted: takes as long as it takes to read the tables. Throws Fault.
std::vector<TableAccount> count_rows(postgres::Connection& database, std::vector<std::string> const& kinds);

}  // namespace penstock
