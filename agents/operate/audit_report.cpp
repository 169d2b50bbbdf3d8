#include "agents/operate/audit_report.hpp"

#include "agents/operate/counted.hpp"
#include "agents/operate/text_table.hpp"
#include "streaming/join.hpp"
#include "streaming/json.hpp"

#include <algorithm>
#include <format>

namespace penstock {
namespace {

using Rows = std::vector<std::vector<std::string>>;
using Numbers = std::vector<std::pair<std::string_view, std::int64_t>>;

/// Names are JSON's; the text's headings are the same in capitals.
Numbers numbers_of(RawAccount const& account) {
  auto const ledger = account.ledger.value_or(Ledger{});
  return {{"frames", ledger.frames},
          {"decoded", ledger.decoded},
          {"ignored", ledger.ignored},
          {"dead_frames", ledger.dead_frames},
          {"records", ledger.records},
          {"written", total(ledger.written)},
          {"duplicate", total(ledger.duplicate)},
          {"dead", ledger.dead},
          {"held", ledger.held},
          {"gaps", ledger.gaps},
          {"in_flight", account.in_flight()}};
}

Numbers numbers_of(StoreAccount const& account) {
  auto const sums = account.ledger.sums.value_or(StoreLedger::Sums{});
  return {{"read", sums.read},
          {"written", sums.written},
          {"duplicate", sums.duplicate},
          {"dead", sums.dead},
          {"in_flight", account.records_in_flight.value_or(account.in_flight())}};
}

Numbers offsets_of(RawAccount const& account) {
  if (!account.ledger) return {};
  return {{"from_offset", to_integer(account.ledger->from)},
          {"to_offset", to_integer(account.ledger->to)},
          {"skipped", account.ledger->skipped},
          {"trimmed", account.ledger->trimmed},
          {"restored", account.ledger->restored},
          {"lost", account.ledger->lost}};
}

Numbers offsets_of(StoreAccount const& account) {
  auto const& [place, sums] = account.ledger;
  if (!place || !sums) return {};
  return {{"from_offset", to_integer(place->first)},
          {"to_offset", to_integer(place->next)},
          {"skipped", sums->skipped},
          {"rewound", sums->rewound}};
}

bool was_used(RawAccount const& account) { return account.ledger || to_integer(account.kept.end) > 0; }
bool was_used(StoreAccount const& account) {
  return account.ledger.place || account.ledger.sums || to_integer(account.kept.end) > 0;
}

std::string verdict(std::vector<Remark> const& remarks, std::string const& where) {
  std::string found = "ok";
  for (auto const& remark : remarks)
    if (remark.where == where) {
      if (remark.differs) return "DIFFERS";
      found = "see note";
    }
  return found;
}

std::string heading(std::string_view name) {
  std::string text{name};
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c == '_' ? ' ' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c); });
  return text;
}

template <class Account>
std::string partitions_text(std::vector<Account> const& accounts, std::vector<Remark> const& remarks, std::string const& title) {
  Rows rows;
  Numbers sums;
  for (auto const& account : accounts) {
    if (!was_used(account)) continue;
    auto const numbers = numbers_of(account);
    if (sums.empty())
      sums = numbers;
    else
      for (std::size_t i = 0; i < numbers.size(); ++i) sums[i].second += numbers[i].second;
    auto& row = rows.emplace_back(std::vector{to_text(account.partition)});
    for (auto const& [name, number] : numbers) row.push_back(std::to_string(number));
    row.push_back(verdict(remarks, row.front()));
  }
  if (rows.empty()) return {};
  std::vector<std::string> headings{title}, totals{"total"};
  for (auto const& [name, number] : sums) {
    headings.push_back(heading(name));
    totals.push_back(std::to_string(number));
  }
  headings.emplace_back(), totals.emplace_back();
  rows.insert(rows.begin(), headings);
  rows.push_back(totals);
  return text_table(rows, Cells::numbers) + '\n';
}

std::string range(std::int64_t least, std::int64_t most) {
  return least == most ? std::to_string(most) : std::format("{}..{}", least, most);
}

std::string kinds_text(AuditFacts const& facts, std::vector<Remark> const& remarks) {
  Rows rows{{"BETWEEN THEM", "WRITTEN", "REPLAYED", "READ", "IN FLIGHT", ""}};
  for (auto const& [kind, sums] : sums_by_kind(facts)) {
    if (facts.written_after[kind] == 0 && sums.read == 0 && sums.in_flight_most == 0) continue;
    auto const topic = "md." + std::string{kind_names[kind]};
    rows.push_back({topic, range(facts.written_before[kind], facts.written_after[kind]), std::to_string(facts.replayed[kind]),
                    std::to_string(sums.read), range(sums.in_flight_least, sums.in_flight_most), verdict(remarks, topic)});
  }
  return rows.size() == 1 ? "" : text_table(rows, Cells::numbers) + '\n';
}

std::string tables_text(std::vector<TableAccount> const& tables, std::vector<Remark> const& remarks) {
  Rows rows{{"TABLE", "ROWS", "WRITTEN", "IDENTITIES", ""}};
  for (auto const& table : tables)
    rows.push_back({table.kind, std::to_string(table.rows), std::to_string(table.written),
                    table.identities ? std::to_string(*table.identities) : "", verdict(remarks, "table " + table.kind)});
  return rows.size() == 1 ? "" : text_table(rows, Cells::numbers) + '\n';
}

std::string json_numbers(Numbers const& numbers) {
  std::string json;
  for (auto const& [name, number] : numbers) json += std::format(R"(,"{}":{})", name, number);
  return json;
}

template <class Account>
std::string partitions_json(std::vector<Account> const& accounts, std::vector<Remark> const& remarks) {
  std::vector<std::string> parts;
  for (auto const& account : accounts) {
    auto const ok = verdict(remarks, to_text(account.partition)) != "DIFFERS";
    parts.push_back(std::format(R"({{"topic":{},"partition":{},"ok":{},"end_offset":{}{}{}}})",
                                json_string(account.partition.topic), to_integer(account.partition.partition), ok,
                                to_integer(account.kept.end), json_numbers(offsets_of(account)),
                                json_numbers(numbers_of(account))));
  }
  return join(parts, ",");
}

std::string kinds_json(AuditFacts const& facts, std::vector<Remark> const& remarks) {
  std::vector<std::string> parts;
  for (auto const& [kind, sums] : sums_by_kind(facts)) {
    auto const topic = "md." + std::string{kind_names[kind]};
    parts.push_back(std::format(R"({{"topic":"{}","ok":{}{}}})", topic, verdict(remarks, topic) != "DIFFERS",
                                json_numbers({{"written_least", facts.written_before[kind]},
                                              {"written_most", facts.written_after[kind]},
                                              {"replayed", facts.replayed[kind]},
                                              {"read", sums.read},
                                              {"in_flight_least", sums.in_flight_least},
                                              {"in_flight_most", sums.in_flight_most}})));
  }
  return join(parts, ",");
}

std::string tables_json(std::vector<TableAccount> const& tables, std::vector<Remark> const& remarks) {
  std::vector<std::string> parts;
  for (auto const& table : tables) {
    Numbers numbers{{"rows", table.rows}, {"written", table.written}};
    if (table.identities) numbers.emplace_back("identities", *table.identities);
    parts.push_back(std::format(R"({{"table":"{}","ok":{}{}{}}})", table.kind,
                                verdict(remarks, "table " + table.kind) != "DIFFERS", json_numbers(numbers),
                                table.dropped_before.empty() ? "" : R"(,"dropped_before":)" + json_string(table.dropped_before)));
  }
  return join(parts, ",");
}

std::string remarks_json(std::vector<Remark> const& remarks, bool differs) {
  std::vector<std::string> parts;
  for (auto const& remark : remarks)
    if (remark.differs == differs)
      parts.push_back(std::format(R"({{"where":{},"what":{}}})", json_string(remark.where), json_string(remark.what)));
  return join(parts, ",");
}

}  // namespace

bool adds_up(std::vector<Remark> const& remarks) { return std::ranges::none_of(remarks, &Remark::differs); }

std::string audit_text(AuditFacts const& facts, std::vector<Remark> const& remarks) {
  auto text = partitions_text(facts.raw, remarks, "TRANSFORMED") + partitions_text(facts.stored, remarks, "STORED") +
              kinds_text(facts, remarks) + tables_text(facts.tables, remarks);
  for (auto const differs : {false, true})
    for (auto const& remark : remarks)
      if (remark.differs == differs) text += (differs ? "DIFFERS  " : "note     ") + remark.where + ": " + remark.what + '\n';
  auto const used = [](auto const& accounts) {
    return std::ranges::count_if(accounts, [](auto const& account) { return was_used(account); });
  };
  if (adds_up(remarks))
    return text + std::format("it adds up: {} of raw topics, {} of md topics\n", counted(used(facts.raw), "partition"),
                              used(facts.stored));
  return text +
         std::format("it does not add up: {}\n", counted(std::ranges::count(remarks, true, &Remark::differs), "difference"));
}

std::string audit_json(AuditFacts const& facts, std::vector<Remark> const& remarks) {
  return std::format(R"({{"ok":{},"raw":[{}],"md":[{}],"kinds":[{}],"tables":[{}],"differences":[{}],"notes":[{}]}})",
                     adds_up(remarks), partitions_json(facts.raw, remarks), partitions_json(facts.stored, remarks),
                     kinds_json(facts, remarks), tables_json(facts.tables, remarks), remarks_json(remarks, true),
                     remarks_json(remarks, false)) +
         '\n';
}

}  // namespace penstock
