#include "statemachine/list_append.hpp"

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "consensus/assert.hpp"
#include "consensus/fingerprint.hpp"
#include "statemachine/codec.hpp"
#include "statemachine/limits.hpp"
#include "statemachine/state_machine.hpp"

template <>
struct quorate::wire::LastEnumerator<quorate::ListAppend::Function> {
  static constexpr auto value = quorate::ListAppend::Function::kAppend;
};
template <>
struct quorate::wire::LastEnumerator<quorate::ListAppend::Status> {
  static constexpr auto value = quorate::ListAppend::Status::kMalformed;
};

namespace quorate {
namespace {

static_assert(TypedApplication<ListAppend>);

constexpr std::uint8_t kVersion = 1;
/// Of one saved list: its key and the number of its elements.
constexpr std::size_t kSavedBytesMin = 8 + 4;

const char* text_of(ListAppend::Status status) {
  switch (status) {
    case ListAppend::Status::kDone: return "done";
    case ListAppend::Status::kTooLarge: return "too large";
    case ListAppend::Status::kFull: return "full";
    case ListAppend::Status::kMalformed: return "malformed";
  }
  QUORATE_ASSERT(false);
}

}  // namespace

Payload ListAppend::encode(const Command& command) { return encode_value(command); }
Payload ListAppend::encode(const Reply& reply) { return encode_value(reply); }
Result<ListAppend::Command> ListAppend::decode_command(std::span<const std::byte> bytes) {
  return decode_value<Command>(bytes);
}
Result<ListAppend::Reply> ListAppend::decode_reply(std::span<const std::byte> bytes) {
  return decode_value<Reply>(bytes);
}

Payload ListAppend::apply(std::span<const std::byte> command, LogTime) {
  const Result<Command> decoded = decode_command(command);
  return encode(decoded ? execute(*decoded) : Reply{Status::kMalformed, {}});
}

ListAppend::Reply ListAppend::execute(const Command& command) {
  Reply reply{check(command), {}};
  if (reply.status != Status::kDone) return reply;
  for (const Operation& operation : command.operations) {
    reply.lists.emplace_back();
    switch (operation.function) {
      case Function::kRead: reply.lists.back() = elements(operation.key); break;
      case Function::kAppend: push(operation.key, operation.element); break;
    }
  }
  return reply;
}

ListAppend::Status ListAppend::check(const Command& command) const {
  if (command.operations.size() > kTransactionOperationsMax) return Status::kTooLarge;
  std::map<Key, std::size_t> appends;
  for (const Operation& operation : command.operations) {
    if (operation.function == Function::kAppend) ++appends[operation.key];
  }
  std::size_t bytes = bytes_;
  for (const auto& [key, count] : appends) {
    const auto list = lists_.find(key);
    const std::size_t size = list == lists_.end() ? 0 : list->second.elements.size();
    if (size + count > kListElementsMax) return Status::kFull;
    bytes += count * sizeof(Element) + (size == 0 ? sizeof(Key) : 0);
  }
  return bytes > kStateBytesMax ? Status::kFull : Status::kDone;
}

void ListAppend::push(Key key, Element element) {
  List& list = lists_[key];
  if (list.elements.empty()) {
    bytes_ += sizeof(Key);
  } else {
    digest_ -= fingerprint(key.value, list.digest);
  }
  list.elements.push_back(element);
  list.digest = fingerprint(static_cast<std::uint64_t>(element), list.digest);
  bytes_ += sizeof(Element);
  digest_ += fingerprint(key.value, list.digest);
}

ListAppend::Elements ListAppend::elements(Key key) const {
  const auto list = lists_.find(key);
  return list == lists_.end() ? Elements{} : list->second.elements;
}

void ListAppend::save(std::vector<std::byte>& out) const {
  wire::WireWriter writer(out);
  writer(kVersion);
  writer.put_count(lists_.size());
  for (const auto& [key, list] : lists_) writer(key, list.elements);
}

Result<void> ListAppend::load(std::span<const std::byte> bytes) {
  *this = {};
  wire::WireReader reader(bytes, {.elements_max = bytes.size()});
  if (reader.take<std::uint8_t>() != kVersion) {
    return fail(ErrorKind::kUnsupported, "list_append: a state of an unknown version");
  }
  const std::size_t count = reader.take_count(kSavedBytesMin, bytes.size());
  for (std::size_t at = 0; at < count && reader.ok(); ++at) {
    Key key;
    Elements saved;
    reader(key);
    wire::load_bounded(reader, saved, kListElementsMax);
    if (!lists_.empty() && key <= lists_.rbegin()->first) reader.refuse("keys out of order");
    if (saved.empty()) reader.refuse("an empty list");
    if (!reader.ok()) break;
    for (const Element element : saved) push(key, element);
  }
  if (Result<void> read = reader.finish(); !read) {
    return fail(ErrorKind::kCorrupt, "list_append: " + read.error().message);
  }
  return {};
}

std::string ListAppend::describe(const Command& command) {
  std::string text;
  for (const Operation& operation : command.operations) {
    if (!text.empty()) text += ", ";
    text += operation.function == Function::kRead ? fmt::format("read {}", operation.key.value)
                                                  : fmt::format("append {} {}", operation.key.value, operation.element);
  }
  return text;
}

std::string ListAppend::describe(const Reply& reply) {
  std::string text = text_of(reply.status);
  for (const Elements& list : reply.lists) text += fmt::format(" [{}]", fmt::join(list, " "));
  return text;
}

}  // namespace quorate
