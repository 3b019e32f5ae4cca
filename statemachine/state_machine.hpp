// What the applications of this folder promise on top of Application (consensus/application.hpp), which knows bytes
// only: commands and replies that are types. Clients, simulated workloads and checkers are written against these.
//
// The way to a replicated service: DurableMachine<ExactlyOnce<App>, ...> is a StateMachine, a Node drives it.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "consensus/application.hpp"
#include "consensus/exactly_once.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"

namespace quorate {

template <class A>
concept TypedApplication =
    Application<A> && std::equality_comparable<typename A::Command> && std::equality_comparable<typename A::Reply> &&
    requires(const typename A::Command& command, const typename A::Reply& reply, std::span<const std::byte> bytes) {
      { A::kName } -> std::convertible_to<std::string_view>;
      { A::encode(command) } -> std::same_as<Payload>;
      { A::encode(reply) } -> std::same_as<Payload>;
      /// kCorrupt: no command (or reply) is encoded like that.
      { A::decode_command(bytes) } -> std::same_as<Result<typename A::Command>>;
      { A::decode_reply(bytes) } -> std::same_as<Result<typename A::Reply>>;
      /// For people: traces, timelines, failed tests.
      { A::describe(command) } -> std::same_as<std::string>;
      { A::describe(reply) } -> std::same_as<std::string>;
    };

}  // namespace quorate
