/// What these tests share: ways in, as an operator would write them into penstock.toml.
#pragma once

#include "agents/connections.hpp"
#include "test/dead/support.hpp"
#include "test/folder.hpp"

namespace penstock::test {

inline std::string variable(char const* name) {
  auto const* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Says that it skips outside of test/security/run.
inline bool no_security() {
  if (!variable("PENSTOCK_TEST_SECURITY").empty()) return false;
  MESSAGE("skipped: PENSTOCK_TEST_SECURITY is not set (test/security/run sets it)");
  return true;
}

inline std::string certificate(std::string const& name) { return variable("PENSTOCK_TEST_SECURITY") + "/certificates/" + name; }

/// The configuration that these words make, read from a file in the folder.
inline Config config_in(Folder const& folder, std::string const& toml) { return load_config(folder.file("penstock.toml", toml)); }

inline std::string lines(std::map<std::string, std::string> const& values) {
  std::string toml;
  for (auto const& [key, value] : values) toml += key + " = " + value + '\n';
  return toml;
}

using Keys = std::map<std::string, std::string>;  ///< as they stand in the file, quotes and all
inline std::string in_quotes(std::string const& text) { return '"' + text + '"'; }

/// [kafka] of who is let in, with some keys put otherwise; "" leaves one out.
inline std::string kafka_toml(std::string const& brokers, Keys const& otherwise = {}) {
  Keys keys{{"brokers", in_quotes(brokers)},
            {"tls", "true"},
            {"tls_ca_file", in_quotes(certificate("ca.pem"))},
            {"sasl_mechanism", in_quotes("SCRAM-SHA-256")},
            {"sasl_username", in_quotes("penstock")},
            {"sasl_password", in_quotes("penstock-secret")},
            {"wait_ms_max", "120000"}};
  for (auto const& [key, value] : otherwise) keys[key] = value;
  std::erase_if(keys, [](auto const& key) { return key.second.empty(); });
  return "[kafka]\n" + lines(keys);
}

/// The same for [database].
inline std::string database_toml(Keys const& otherwise = {}) {
  auto url = variable("DATABASE_URL");
  url.replace(url.find("penstock@"), std::string_view{"penstock@"}.size(), "tester@");
  Keys keys{{"url", in_quotes(url)},
            {"password", in_quotes("tester-secret")},
            {"tls_mode", in_quotes("verify-full")},
            {"tls_ca_file", in_quotes(certificate("ca.pem"))}};
  for (auto const& [key, value] : otherwise) keys[key] = value;
  std::erase_if(keys, [](auto const& key) { return key.second.empty(); });
  return "[database]\n" + lines(keys);
}

}  // namespace penstock::test
