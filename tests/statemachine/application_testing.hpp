// What the tests of the applications have in common.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "statemachine/state_machine.hpp"

namespace quorate::testing {

/// Executes a typed command and decodes the typed reply.
template <TypedApplication App>
typename App::Reply execute(App& application, const typename App::Command& command) {
  const Payload reply = application.apply(App::encode(command).bytes(), LogTime{});
  const auto decoded = App::decode_reply(reply.bytes());
  EXPECT_TRUE(decoded.has_value());
  return decoded.value_or(typename App::Reply{});
}

template <Application App>
std::vector<std::byte> saved(const App& application) {
  std::vector<std::byte> bytes;
  application.save(bytes);
  return bytes;
}

/// Loads what was saved into an application of its own.
template <Application App>
App reloaded(const App& application) {
  App loaded;
  EXPECT_TRUE(loaded.load(saved(application)));
  return loaded;
}

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace quorate::testing
