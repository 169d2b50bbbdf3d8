/// How `penstock audit` shows what it found. Pure.
#pragma once

#include "agents/audit.hpp"

#include <string>
#include <vector>

namespace penstock {

/// A table for raw topics, one for md topics, one for what is between them, and the remarks. Partitions that never held
/// anything are left out.
std::string audit_text(AuditFacts const& facts, std::vector<Remark> const& remarks);
/// {"ok":…,"raw":[…],"md":[…],"kinds":[…],"tables":[…],"differences":[…],"notes":[…]}
std::string audit_json(AuditFacts const& facts, std::vector<Remark> const& remarks);

bool adds_up(std::vector<Remark> const& remarks);

}  // namespace penstock
