#include "agents/subscription.hpp"

#include "agents/settings.hpp"
#include "streaming/fault.hpp"

#include <filesystem>

namespace penstock {

namespace {

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::vector<std::string> default_channels(Provider const& provider) {
  std::vector<std::string> names;
  for (auto const& channel : provider.channels())
    if (channel.by_default) names.emplace_back(channel.name);
  return names;
}

// libcurl only says so at the first connection, again and again.
void check_certificates(std::string const& key, Config const& config) {
  auto const file = config.text(key);
  std::error_code ignored;
  if (!file.empty() && !std::filesystem::is_regular_file(file, ignored))
    throw UsageError{config.origin(key) + ": " + key + " names " + file +
                     ", which is not a file that can be read: name one with PEM certificates"};
}

}  // namespace

Provider const& provider_named(std::string const& name) {
  if (auto const* provider = find_provider(name)) return *provider;
  throw UsageError{"there is no provider \"" + name + "\"" + suggestion(name, provider_names())};
}

std::string publish_key(Provider const& provider, std::string_view last) {
  return "publish." + std::string{provider.name()} + '.' + std::string{last};
}

Subscription subscription_of(Provider const& provider, Config const& config) {
  auto const key = [&](std::string_view last) { return publish_key(provider, last); };
  Subscription subscription{.symbols = config.list(key("symbols")),
                            .channels = config.list(key("channels")),
                            .intervals = config.list(key("intervals")),
                            .poll_interval = config.milliseconds(key("poll_interval_ms")),
                            .silence_max = config.milliseconds(key("silence_ms_max")),
                            .http_url = without_slash(config.text(key("http_url"))),
                            .websocket_url = without_slash(config.text(key("websocket_url"))),
                            .api_key = config.text(key("api_key"))};
  if (subscription.symbols.empty()) subscription.symbols = provider.default_symbols();
  if (subscription.channels.empty()) subscription.channels = default_channels(provider);
  provider.check(subscription);
  check_certificates(key("ca_file"), config);
  return subscription;
}

}  // namespace penstock
