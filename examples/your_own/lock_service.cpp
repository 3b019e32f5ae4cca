#include "lock_service.hpp"

#include <charconv>
#include <optional>
#include <sstream>
#include <utility>

namespace example {
namespace {

using quorate::ErrorKind;
using quorate::LogTime;
using quorate::Payload;
using quorate::Result;
using Command = LockService::Command;
using Reply = LockService::Reply;
using Status = Reply::Status;
using Verb = Command::Verb;

// Limits belong to the meaning of the commands: what one replica refuses, all must refuse.
constexpr std::size_t kCommandBytesMax = 512;
constexpr std::size_t kLocksMax = 100'000;
constexpr std::uint64_t kMillisecondsMax = 3'600'000;

constexpr std::pair<Status, const char*> kStatusWords[] = {
    {Status::kGranted, "granted"}, {Status::kHeld, "held"},         {Status::kFree, "free"},
    {Status::kRenewed, "renewed"}, {Status::kReleased, "released"}, {Status::kLost, "lost"},
    {Status::kRefused, "refused"},
};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string> words_of(std::string_view line) {
  std::istringstream in{std::string(line)};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// Nothing if the word is no number.
std::optional<std::uint64_t> number(const std::string& word) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool is_number = error == std::errc() && end == word.data() + word.size();
  return is_number ? std::optional(value) : std::nullopt;
}

}  // namespace

// Whatever the bytes are, nothing throws or crashes, and the answer is the same everywhere: what is committed is
// executed by every replica, and again after every restart.
Payload LockService::apply(std::span<const std::byte> bytes, LogTime now) {
  const Result<Command> command = decode_command(bytes);
  if (!command) return encode(Reply{Status::kRefused, 0, {}});
  last_time_ = now;
  return encode(execute(*command, now));
}

Reply LockService::execute(const Command& command, LogTime now) {
  if (command.verb == Verb::kHolder) return holder(command.lock, now);
  if (command.verb == Verb::kAcquire) return acquire(command, now);

  const Lock* held = find_held(command, now);
  if (held == nullptr) return {Status::kLost, 0, {}};
  const bool is_renewal = command.verb == Verb::kRenew;
  set(command.lock, {held->owner, held->token, is_renewal ? LogTime{now.value + command.milliseconds} : now});
  return {is_renewal ? Status::kRenewed : Status::kReleased, 0, {}};
}

Reply LockService::acquire(const Command& command, LogTime now) {
  if (Reply before = holder(command.lock, now); before.status == Status::kHeld) return before;
  const auto known = locks_.find(command.lock);
  if (known == locks_.end() && locks_.size() >= kLocksMax) return {Status::kRefused, 0, {}};
  const std::uint64_t token = known == locks_.end() ? 1 : known->second.token + 1;
  set(command.lock, {command.owner, token, LogTime{now.value + command.milliseconds}});
  return {Status::kGranted, token, {}};
}

Reply LockService::holder(const std::string& name, LogTime now) const {
  const auto found = locks_.find(name);
  if (found == locks_.end() || found->second.expires <= now) return {Status::kFree, 0, {}};
  return {Status::kHeld, 0, found->second.owner};
}

/// The lock, if it is held and the token is its newest.
const LockService::Lock* LockService::find_held(const Command& command, LogTime now) const {
  const auto found = locks_.find(command.lock);
  const bool is_held = found != locks_.end() && now < found->second.expires && command.token == found->second.token;
  return is_held ? &found->second : nullptr;
}

/// Keeps the digest up to date: a change costs as much as what it touches.
void LockService::set(const std::string& name, Lock lock) {
  const auto term_of = [&](const Lock& one) {
    return quorate::fingerprint(one.owner,
                                quorate::fingerprint(one.token, one.expires.value + quorate::fingerprint(name)));
  };
  Lock& place = locks_[name];
  if (place.token != 0) locks_digest_ -= term_of(place);
  locks_digest_ += term_of(lock);
  place = std::move(lock);
}

void LockService::save(std::vector<std::byte>& out) const {
  std::string text = std::to_string(last_time_.value) + '\n';
  for (const auto& [name, lock] : locks_) {
    text +=
        name + ' ' + lock.owner + ' ' + std::to_string(lock.token) + ' ' + std::to_string(lock.expires.value) + '\n';
  }
  const auto bytes = std::as_bytes(std::span(text));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// The bytes may come from another node: they are checked like everything that comes from outside.
Result<void> LockService::load(std::span<const std::byte> bytes) {
  *this = {};
  std::istringstream in{std::string(text_of(bytes))};
  std::string line;
  const auto time = std::getline(in, line) ? number(line) : std::nullopt;
  if (!time) return quorate::fail(ErrorKind::kCorrupt, "locks: the state does not begin with a time");
  last_time_ = LogTime{*time};
  while (std::getline(in, line)) {
    const std::vector<std::string> words = words_of(line);
    const auto token = words.size() == 4 ? number(words[2]) : std::nullopt;
    const auto expires = words.size() == 4 ? number(words[3]) : std::nullopt;
    if (!token || *token == 0 || !expires)
      return quorate::fail(ErrorKind::kCorrupt, "locks: not a line of the state: " + line);
    set(words[0], {words[1], *token, LogTime{*expires}});
  }
  return {};
}

Result<Command> LockService::decode_command(std::span<const std::byte> bytes) {
  const auto refused = quorate::fail(ErrorKind::kCorrupt, "not a command of the lock service");
  if (bytes.size() > kCommandBytesMax) return refused;
  const std::vector<std::string> words = words_of(text_of(bytes));
  if (words.size() < 2) return refused;
  Command command;
  command.lock = words[1];
  if (words[0] == "holder" && words.size() == 2) return command;

  const bool is_acquire = words[0] == "acquire" && words.size() == 4;
  const bool is_renewal = words[0] == "renew" && words.size() == 4;
  const bool is_release = words[0] == "release" && words.size() == 3;
  if (!is_acquire && !is_renewal && !is_release) return refused;
  const auto token = is_acquire ? std::optional<std::uint64_t>(0) : number(words[2]);
  const auto milliseconds = is_release ? std::optional<std::uint64_t>(0) : number(words[3]);
  if (!token || !milliseconds || *milliseconds > kMillisecondsMax) return refused;
  command.verb = is_acquire ? Verb::kAcquire : is_renewal ? Verb::kRenew : Verb::kRelease;
  if (is_acquire) command.owner = words[2];
  command.token = *token;
  command.milliseconds = *milliseconds;
  return command;
}

std::string LockService::describe(const Command& command) {
  switch (command.verb) {
    case Verb::kAcquire:
      return "acquire " + command.lock + ' ' + command.owner + ' ' + std::to_string(command.milliseconds);
    case Verb::kRenew:
      return "renew " + command.lock + ' ' + std::to_string(command.token) + ' ' + std::to_string(command.milliseconds);
    case Verb::kRelease: return "release " + command.lock + ' ' + std::to_string(command.token);
    case Verb::kHolder: break;
  }
  return "holder " + command.lock;
}

Result<Reply> LockService::decode_reply(std::span<const std::byte> bytes) {
  const std::vector<std::string> words = words_of(text_of(bytes));
  for (const auto& [status, word] : kStatusWords) {
    if (words.empty() || words[0] != word) continue;
    const std::size_t arguments = status == Status::kGranted || status == Status::kHeld ? 1 : 0;
    if (words.size() != 1 + arguments) break;
    const auto token = status == Status::kGranted ? number(words[1]) : std::optional<std::uint64_t>(0);
    if (!token) break;
    return Reply{status, *token, status == Status::kHeld ? words[1] : std::string()};
  }
  return quorate::fail(ErrorKind::kCorrupt, "not a reply of the lock service");
}

std::string LockService::describe(const Reply& reply) {
  std::string text;
  for (const auto& [status, word] : kStatusWords) {
    if (status == reply.status) text = word;
  }
  if (reply.status == Status::kGranted) text += ' ' + std::to_string(reply.token);
  if (reply.status == Status::kHeld) text += ' ' + reply.owner;
  return text;
}

}  // namespace example
