// Lists of numbers, by key. A transaction reads lists and appends to them, all at once. If every element is appended
// only once, each read shows in which order all appends before it were made: the application that makes anomalies of
// transactions visible.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/entry.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"

namespace quorate {

class ListAppend {
 public:
  static constexpr std::string_view kName = "list_append";
  using Key = StrongNumber<struct ListKeyTag>;
  using Element = std::int64_t;
  using Elements = std::vector<Element>;

  enum class Function : std::uint8_t { kRead = 0, kAppend = 1 };
  struct Operation {
    Function function = Function::kRead;
    Key key;
    Element element = 0;  ///< of kAppend

    template <class Archive>
    void serialize(Archive& archive) {
      archive(function, key, element);
    }
    friend bool operator==(const Operation&, const Operation&) = default;
  };
  struct Command {
    std::vector<Operation> operations;

    template <class Archive>
    void serialize(Archive& archive) {
      archive(operations);
    }
    friend bool operator==(const Command&, const Command&) = default;
  };
  static Operation read(Key key) { return {Function::kRead, key, 0}; }
  static Operation append(Key key, Element element) { return {Function::kAppend, key, element}; }

  enum class Status : std::uint8_t {
    kDone = 0,
    kTooLarge = 1,   ///< nothing was done: the transaction has too many operations
    kFull = 2,       ///< nothing was done: a list, or the whole state, would grow beyond its limit
    kMalformed = 3,  ///< the bytes are no command
  };
  struct Reply {
    Status status = Status::kDone;
    std::vector<Elements>
        lists;  ///< one per operation: what a kRead saw, with the appends before it; empty for kAppend

    template <class Archive>
    void serialize(Archive& archive) {
      archive(status, lists);
    }
    friend bool operator==(const Reply&, const Reply&) = default;
  };

  static Payload encode(const Command& command);
  static Payload encode(const Reply& reply);
  static Result<Command> decode_command(std::span<const std::byte> bytes);
  static Result<Reply> decode_reply(std::span<const std::byte> bytes);
  static std::string describe(const Command& command);
  static std::string describe(const Reply& reply);

  Payload apply(std::span<const std::byte> command, LogTime now);
  void save(std::vector<std::byte>& out) const;
  [[nodiscard]] Result<void> load(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t digest() const { return digest_; }

  /// What is in a list; empty if nothing was ever appended.
  [[nodiscard]] Elements elements(Key key) const;
  friend bool operator==(const ListAppend&, const ListAppend&) = default;

 private:
  struct List {
    Elements elements;
    std::uint64_t digest = 0;  ///< of the elements, in order

    friend bool operator==(const List&, const List&) = default;
  };

  Reply execute(const Command& command);
  [[nodiscard]] Status check(const Command& command) const;
  void push(Key key, Element element);

  std::map<Key, List> lists_;
  std::size_t bytes_ = 0;     ///< of all keys and elements
  std::uint64_t digest_ = 0;  ///< the sum of one term per list
};

}  // namespace quorate
