// The one way in which operations report that they could not be carried out. Programmer errors are assertions
// (assert.hpp), never an Error.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace quorate {

enum class ErrorKind {
  kInvalidArgument,  ///< the request itself is wrong; repeating it will not help
  kNotFound,
  kOverloaded,   ///< a named limit is reached; the request had no effect and may be repeated later
  kUnavailable,  ///< no leader, no quorum, shutting down; the request had no effect
  kTimeout,
  kCorrupt,      ///< stored or received bytes fail their checksum or their format
  kUnsupported,  ///< a version or feature that this build does not know
  kLocked,       ///< another process uses the resource
  kDiskFull,     ///< no space; the store is otherwise sound
  kIo,           ///< the operating system reported an error; the store must not be used further
};

/// What happened, to what, and what to do about it, in one sentence for a person.
struct Error {
  ErrorKind kind;
  std::string message;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return tl::unexpected<Error>(Error{kind, std::move(message)});
}

}  // namespace quorate
