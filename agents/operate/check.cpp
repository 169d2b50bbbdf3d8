/// penstock check: whether everything is there, from the configuration to the rows that a store would insert. Goes on after
/// what is wrong and shows all.
#include "agents/operate/check.hpp"
#include "agents/operate/counted.hpp"

#include "agents/operate/check_sample.hpp"
#include "agents/operate/check_world.hpp"
#include "agents/operate/commands.hpp"
#include "agents/spool_folder.hpp"
#include "streaming/fault.hpp"
#include "streaming/whole_number.hpp"

#include <algorithm>
#include <future>
#include <iostream>

namespace penstock {

namespace {

using Findings = std::vector<Finding>;

constexpr int sample_seconds_most = 600;

Findings check_configuration(Config const& config) {
  Findings findings;
  findings.push_back(finding("configuration", [&] {
    return config.file().empty() ? std::string{"no penstock.toml here; defaults, variables and flags"} : config.file();
  }));
  auto const sections = config.sections("publish");
  findings.push_back(finding("publishers", [&] {
    if (sections.empty()) throw UsageError{"no [publish.PROVIDER] section: write for example [publish.binance]"};
    return counted(sections.size(), "section");
  }));
  for (auto const& name : sections) findings.push_back(finding("publish." + name, [&] { return check_publisher(config, name); }));
  for (auto& one : findings) one.of_configuration = true;
  findings.push_back(finding("spool", [&] { return check_spool(config); }));
  return findings;
}

std::chrono::seconds sample_limit(Invocation const& invocation) {
  auto const seconds = whole_number<int>(invocation.flag("sample-seconds", "10"));
  if (!seconds || *seconds > sample_seconds_most)
    throw UsageError{"--sample-seconds is \"" + invocation.flag("sample-seconds") +
                     "\": it takes a number of seconds from 0 to " + std::to_string(sample_seconds_most) + "; 0: no sample"};
  return std::chrono::seconds{*seconds};
}

/// All at once: the whole takes as long as the slowest.
Findings look_at_all(Invocation const& invocation, std::chrono::seconds limit) {
  auto const& config = invocation.config;
  auto findings = check_configuration(config);
  std::vector<std::future<Findings>> looks;
  auto const look = [&](auto check) { looks.push_back(std::async(std::launch::async, std::move(check))); };
  look([&] { return check_broker(config); });
  look([&] { return check_database(config, invocation.stop); });
  if (limit.count() > 0)
    for (auto const& name : config.sections("publish"))
      if (std::ranges::find_if(findings, [&](Finding const& one) {
            return one.what == "publish." + name && one.found.state == Found::State::ok;
          }) != findings.end())
        look([&, name] {
          return Findings{finding("sample " + name, [&] { return live_sample(config, name, limit, invocation.stop); })};
        });
  for (auto& one : looks) std::ranges::move(one.get(), std::back_inserter(findings));
  return findings;
}

int run(Invocation const& invocation) {
  auto const limit = sample_limit(invocation);
  Findings findings;
  if (invocation.config_error.empty()) {
    findings = look_at_all(invocation, limit);
  } else {
    findings.push_back(finding("configuration", [&]() -> Found { throw UsageError{invocation.config_error}; }));
    findings.back().of_configuration = true;
  }
  std::cout << (invocation.has("json") ? findings_json(findings) : findings_text(findings));
  return exit_of(findings);
}

}  // namespace

Command const check_command{
    .name = "check",
    .summary =
        "Look whether everything is there: configuration, broker, topics, database, tables, and a live sample of each "
        "provider; and say what to do",
    .sections = {"", "kafka", "database", "publish.*", "spool"},
    .flags = {{.name = "sample-seconds",
               .argument = "N",
               .help = "So long at most for the live sample of each provider; 0: none",
               .fallback = "10"},
              {.name = "json", .help = "One JSON object instead of lines"}},
    .example =
        "penstock check --config penstock.toml    one line each, ok, warning or WRONG and what to do; exit 1 when something "
        "is wrong, 2 when the configuration is",
    .run = run,
    .file_may_be_wrong = true,
};

}  // namespace penstock
