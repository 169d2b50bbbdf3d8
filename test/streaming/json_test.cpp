#include "streaming/json.hpp"

#include <doctest/doctest.h>

using namespace penstock;

TEST_CASE("json: any bytes become a string on one line, in good UTF-8") {
  struct Case {
    char const* name;
    std::string_view text, json;
  };
  for (auto const& [name, text, json] :
       {Case{"nothing", "", R"("")"}, Case{"plain", "BTC/USDT", R"("BTC/USDT")"},
        Case{"quotes and backslashes", R"(a"b\c)", R"("a\"b\\c")"}, Case{"line breaks", "a\r\n\tb", R"("a\r\n\tb")"},
        Case{"control characters", {"\0\x1f\x7f", 3}, R"("\u0000\u001f\u007f")"},
        Case{"characters of two, three, four bytes", "\xC2\xA0\xE2\x80\xA6\xF0\x9F\x98\x80",
             "\"\xC2\xA0\xE2\x80\xA6\xF0\x9F\x98\x80\""},
        Case{"a stray byte", "a\x80z", "\"a\xEF\xBF\xBDz\""}, Case{"overlong", "\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        Case{"a surrogate", "\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        Case{"beyond the last character", "\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        Case{"cut off", "a\xE2\x80", "\"a\xEF\xBF\xBD\xEF\xBF\xBD\""}}) {
    CAPTURE(name);
    CHECK(json_string(text) == json);
  }
}
