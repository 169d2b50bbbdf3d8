#include "schemas/kinds.hpp"

#include "schemas/fields.hpp"

#include <algorithm>

namespace penstock {
namespace {

template <class Variant>
constexpr bool names_follow_variant = false;
template <class... Kind>
constexpr bool names_follow_variant<std::variant<Kind...>> = kind_names == std::array{Kind::kind...};
static_assert(names_follow_variant<MarketRecord>, "kind_names and MarketRecord must have the same order");

template <class Kind>
constexpr auto schema_text = [] {
  static_assert(Kind::version >= 1 && Kind::version <= 9);
  std::array<char, Kind::kind.size() + 2> text{};
  std::ranges::copy(Kind::kind, text.begin());
  text[Kind::kind.size()] = '/';
  text.back() = static_cast<char>('0' + Kind::version);
  return text;
}();

template <class Kind>
constexpr bool identified_by_content = std::ranges::contains(Kind::identity, std::string_view{"content"});

/// All columns but received_at.
template <class Kind>
constexpr auto content_columns = [] {
  std::array<std::string_view, field_count<Kind> - 1> columns{};
  std::ranges::copy_if(field_names<Kind>, columns.begin(), [](auto name) { return name != "received_at"; });
  return columns;
}();

}  // namespace

std::string_view kind_of(MarketRecord const& record) { return kind_names[record.index()]; }

Common& common_of(MarketRecord& record) {
  return *std::visit([](Common& common) { return &common; }, record);
}
Common const& common_of(MarketRecord const& record) {
  return *std::visit([](Common const& common) { return &common; }, record);
}

std::string_view schema_of(MarketRecord const& record) {
  return std::visit([]<class Kind>(Kind const&) { return std::string_view{schema_text<Kind>.data(), schema_text<Kind>.size()}; },
                    record);
}

std::string_view to_text(Origin origin) { return word(origin); }
std::string_view to_text(Side side) { return word(side); }
std::string_view to_text(BookType type) { return word(type); }
std::string_view to_text(GapCause cause) { return word(cause); }
std::string_view to_text(GapState state) { return word(state); }

std::optional<Origin> parse_origin(std::string_view text) { return find_word<Origin>(text); }

void append_key(std::string& out, Common const& record) { out.append(record.source).append(1, ':').append(record.symbol); }

std::span<std::string_view const> columns_of(std::string_view kind) {
  using Columns = std::span<std::string_view const>;
  return with_kind(kind, Columns{}, []<class Kind>() { return Columns{field_names<Kind>}; });
}

std::span<std::string_view const> identity_columns_of(std::string_view kind) {
  using Columns = std::span<std::string_view const>;
  return with_kind(kind, Columns{}, []<class Kind>() {
    if constexpr (identified_by_content<Kind>)
      return Columns{content_columns<Kind>};
    else
      return Columns{Kind::identity};
  });
}

std::span<std::string_view const> content_columns_of(std::string_view kind) {
  using Columns = std::span<std::string_view const>;
  return with_kind(kind, Columns{}, []<class Kind>() { return Columns{content_columns<Kind>}; });
}

Conflict conflict_of(std::string_view kind) {
  return with_kind(kind, Conflict::append, []<class Kind>() { return Kind::conflict; });
}
Conflict conflict_of(MarketRecord const& record) {
  return std::visit([]<class Kind>(Kind const&) { return Kind::conflict; }, record);
}

}  // namespace penstock
