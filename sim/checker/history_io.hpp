// Histories as text: three notations to read, one to write. docs/histories.md specifies them.
//
// A reader takes a whole file that somebody else wrote, and so trusts nothing: sizes and nesting are bounded, and what
// is not understood is an error that names the file, the line and what was expected there, never a guess.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/result.hpp"
#include "sim/checker/history.hpp"

namespace quorate::checker {

inline constexpr std::size_t kHistoryBytesMax = std::size_t{4} << 30;
inline constexpr std::size_t kHistoryOperationsMax = std::size_t{1} << 28;
/// Actions of one transaction.
inline constexpr std::size_t kHistoryActionsMax = 4096;

enum class HistoryFormat : std::uint8_t {
  kJsonLines,  ///< our own
  kEdn,        ///< Jepsen's history.edn, as Knossos understands it
  kJepsenLog,  ///< the lines that Jepsen logs: INFO jepsen.util - process :type :f value
};

/// What both dialects of Jepsen leave open.
struct JepsenMeaning {
  enum class Failed : std::uint8_t {
    kDidNotHappen,  ///< a failed operation had no effect and saw nothing
    kObserved,      ///< a failed cas saw another value than it expected; other failures had no effect
  };
  enum class NilRead : std::uint8_t {
    kSawNil,
    kUnknown,  ///< what was read is not known
  };
  enum class Keys : std::uint8_t {
    kOne,     ///< one object, or a :key in each operation
    kTuples,  ///< each value is [key value]
  };

  Failed failed = Failed::kDidNotHappen;
  NilRead nil_read = NilRead::kUnknown;
  Keys keys = Keys::kOne;
};

/// How histories in this format are usually meant.
[[nodiscard]] JepsenMeaning usual_meaning(HistoryFormat format);
/// What registers in such histories usually hold at first.
[[nodiscard]] Value usual_initial_value(HistoryFormat format);

/// By its first characters.
[[nodiscard]] Result<HistoryFormat> detect_format(std::string_view text, std::string_view file);

/// `file` is only named in errors. `meaning` is of no account for our own format.
[[nodiscard]] Result<History> read_history(std::string_view text, std::string_view file, HistoryFormat format,
                                           const JepsenMeaning& meaning);

/// Our own format, one line for each operation. Whether the stream took it is for the caller to look at.
void write_history(const History& history, std::ostream& out);

}  // namespace quorate::checker
