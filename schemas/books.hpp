/// A whole order book or a change of one; amounts are absolute. Without a sequence its identity is source, symbol, type, time and
/// content.
#pragma once

#include "schemas/field.hpp"

namespace penstock {

/// snapshot: the whole book. update: levels that changed.
enum class BookType : std::uint8_t { snapshot, update };

struct Book : Common {
  static constexpr std::string_view kind = "books";
  static constexpr int version = 1;
  static constexpr Conflict conflict = Conflict::append;

  BookType type{};
  std::optional<std::int64_t> sequence;           ///< the book's own
  std::optional<std::int64_t> previous_sequence;  ///< what it must follow
  Levels bids;
  Levels asks;

  static constexpr auto fields_of() {
    return std::tuple{required("type", &Book::type), optional("sequence", &Book::sequence),
                      optional("previous_sequence", &Book::previous_sequence), required("bids", &Book::bids),
                      required("asks", &Book::asks)};
  }
  static constexpr std::string_view identity[] = {"source", "symbol", "type", "sequence"};
  friend bool operator==(Book const&, Book const&) = default;
};

}  // namespace penstock
