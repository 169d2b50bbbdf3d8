#include "streaming/postgres/isolate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

namespace penstock::postgres {
namespace {

constexpr std::size_t rows_per_savepoint_min = 64;
// A savepoint with a COPY of its own costs about as much as 120 rows (measured: with 30 a bad row per 1,000 took 36 % of the
// speed, with 120 26 %, with 250 32 %), and a refusal on average half of the rows under it. With a bad row every d rows the
// sum is least at sqrt(2 * 120 * d).
constexpr double savepoint_cost_rows = 120;
constexpr double distance_max = 1e7;  // Beyond it bad rows are forgotten.

// Savepoints, opened, given up and taken back by the statement that writes next: no message of their own to wait for.
class Savepoints {
 public:
  explicit Savepoints(Connection& connection) : connection_{connection} {}
  /// The fault that ended it, if any.
  std::optional<DataFault> attempt(std::vector<Part>& parts, WriteParts const& write) {
    for (auto& part : parts) {
      part.prefix = before_next();
      state_ = State::written;
    }
    try {
      write(parts);
      return std::nullopt;
    } catch (DataFault const& fault) {
      state_ = State::refused;
      return fault;
    }
  }
  void release() {
    if (state_ == State::refused) connection_.execute("rollback to savepoint part");
    if (state_ != State::none) connection_.execute("release savepoint part");
    state_ = State::none;
  }

 private:
  enum class State : std::uint8_t { none, written, refused };

  std::string before_next() const {
    switch (state_) {
      case State::written: return "release savepoint part; savepoint part; ";
      case State::refused: return "rollback to savepoint part; ";
      default: return "savepoint part; ";
    }
  }

  Connection& connection_;
  State state_ = State::none;
};

class Isolation {
 public:
  Isolation(Connection& connection, BadRowDistance& distance, WriteParts const& write, RefuseRow const& refuse)
      : savepoints_{connection}, distance_{distance}, write_{write}, refuse_{refuse} {}

  void write_good(RowList rows) {
    Mended mended;
    while (!mended.rows.empty() || !rows.empty()) {
      auto parts = parts_of(mended.rows, rows);
      auto const fault = savepoints_.attempt(parts, write_);
      auto const written = fault ? fault->details().copy : parts.size();
      for (std::size_t part = 0; part < written; ++part) {
        distance_.good(parts[part].rows.size() - std::exchange(mended.known_good, 0));
        rows = after(parts[part].rows, rows);
      }
      if (!fault) return;
      auto const refused = parts[written].rows;
      rows = after(refused, rows);
      mended = mend({refused.begin(), refused.end()}, written == 0 ? mended.known_good : 0, *fault, rows);
    }
  }
  void release() { savepoints_.release(); }

 private:
  /// What is left of a refused part without its bad row; the first `known_good` of it are good.
  struct Mended {
    std::vector<std::size_t> rows;
    std::size_t known_good = 0;
  };

  std::vector<Part> parts_of(RowList mended, RowList rows) const {
    std::vector<Part> parts;
    if (!mended.empty()) parts.push_back({mended, {}});
    for (auto const most = distance_.rows_per_savepoint(); !rows.empty(); rows = after(parts.back().rows, rows))
      parts.push_back({rows.first(std::min(rows.size(), most)), {}});
    return parts;
  }

  // What of `rows` comes after `part`, which may be the mended one, and then none of them.
  static RowList after(RowList part, RowList rows) {
    return !rows.empty() && part.data() == rows.data() ? rows.subspan(part.size()) : rows;
  }

  // Rows that follow the part in the whole are in `following`; those that are left to later parts come before them again.
  Mended mend(std::vector<std::size_t> part, std::size_t known_good, DataFault const& fault, RowList& following) {
    auto const [line, certain] = fault.details().line;
    auto const named = line > 0 && line <= part.size();
    if (part.size() > 1 && !(named && certain)) {
      split(part, named ? line - 1 : part.size() / 2);
      return {};
    }
    auto const bad = part.size() == 1 ? 0 : line - 1;
    distance_.good(bad - std::min(bad, known_good));
    distance_.bad();
    refuse_(part[bad], fault);
    part.erase(part.begin() + static_cast<std::ptrdiff_t>(bad));
    // All before the bad row is known to be good; what follows is left to later parts, where those are shorter now.
    auto const keep = std::min(part.size(), std::max(bad, distance_.rows_per_savepoint()));
    auto const left = part.size() - keep;
    if (left > 0 && following.data()[-static_cast<std::ptrdiff_t>(left)] == part[keep]) {
      following = RowList{following.data() - left, following.size() + left};
      part.resize(keep);
    }
    return {std::move(part), bad};
  }

  // A row is refused only after it was refused alone. Where a line is named, that one is likely to be it.
  void split(RowList part, std::size_t at) {
    if (at > 0) write_good(part.first(at));
    if (at + 1 < part.size()) write_good(part.subspan(at, 1));
    write_good(at + 1 < part.size() ? part.subspan(at + 1) : part.subspan(at));
  }

  Savepoints savepoints_;
  BadRowDistance& distance_;
  WriteParts const& write_;
  RefuseRow const& refuse_;
};

}  // namespace

std::size_t BadRowDistance::rows_per_savepoint() const {
  if (distance_ == 0) return std::numeric_limits<std::size_t>::max();
  return std::max(rows_per_savepoint_min, static_cast<std::size_t>(std::sqrt(2 * savepoint_cost_rows * distance_)));
}

void BadRowDistance::good(std::size_t rows) {
  since_bad_ += static_cast<double>(rows);
  if (distance_ != 0) distance_ = std::max(distance_, since_bad_);
  if (distance_ > distance_max) distance_ = 0;
}

void BadRowDistance::bad() {
  auto const now = std::max(1.0, since_bad_);
  distance_ = distance_ == 0 ? now : (distance_ + now) / 2;
  since_bad_ = 0;
}

void write_good_rows(Connection& connection, RowList rows, BadRowDistance& distance, WriteParts const& write,
                     RefuseRow const& refuse) {
  Isolation isolation{connection, distance, write, refuse};
  isolation.write_good(rows);
  isolation.release();
}

}  // namespace penstock::postgres
