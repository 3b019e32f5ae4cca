// Any bytes as an SQL dump: however it comes in pieces, the same statements leave, whole.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sqlite3.h>

#include "consensus/assert.hpp"
#include "server/sql_text_splitter.hpp"

using namespace quorate;
using namespace quorate::server;

namespace {

std::string split(std::string_view text, std::size_t piece_bytes) {
  SqlTextSplitter splitter;
  std::string all;
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, piece_bytes);
    text.remove_prefix(piece.size());
    QUORATE_ASSERT(splitter.add(piece).has_value());
    if (const auto statements = splitter.take()) {
      QUORATE_ASSERT(sqlite3_complete(statements->c_str()) != 0);
      all += *statements;
    }
  }
  return all + splitter.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  // For sqlite3_complete() the text ends there.
  std::erase(text, '\0');
  const std::size_t piece_bytes = text.empty() ? 1 : 1 + static_cast<unsigned char>(text.front()) % 64U;
  const std::string whole = split(text, text.size() + 1);
  QUORATE_ASSERT(split(text, piece_bytes) == whole);
  QUORATE_ASSERT(text.find(whole) != std::string::npos);

  std::vector<std::size_t> ends;
  StatementScanner scanner;
  scanner.read(text, ends);
  QUORATE_ASSERT(scanner.is_between_statements() == (sqlite3_complete((";" + text).c_str()) != 0));
  return 0;
}
