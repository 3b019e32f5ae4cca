#include "server/security/access_control.hpp"

#include <algorithm>
#include <utility>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "consensus/assert.hpp"

namespace quorate::security {

AccessControl::AccessControl(const Credentials& credentials, Offload offload) : offload_(std::move(offload)) {
  const int drawn = RAND_bytes(key_.data(), static_cast<int>(key_.size()));
  QUORATE_ASSERT(drawn == 1);
  replace(credentials);
}

AccessControl::~AccessControl() = default;

void AccessControl::replace(const Credentials& credentials) {
  ++generation_;
  users_.clear();
  remembered_.clear();
  places_.clear();
  decoy_hash_.clear();
  everybody_ = credentials.everybody();
  for (const User& user : credentials.users()) {
    Known known{.permissions = user.permissions, .form = user.form};
    if (user.form == SecretForm::kPlainText) {
      known.password = digest_of("password", user.name, user.secret);
    } else {
      known.hash = user.secret;
      // "$2b$", and two digits of cost: a stranger has to wait for as long as anybody.
      const bool costs_more = decoy_hash_.empty() || decoy_hash_.compare(4, 2, user.secret, 4, 2) < 0;
      if (costs_more) decoy_hash_ = user.secret;
    }
    users_.emplace(user.name, std::move(known));
  }
}

std::optional<Verdict> AccessControl::known(const std::optional<Login>& login, Permissions needed) {
  const auto verdict = decide(login, needed);
  if (verdict) count(*verdict);
  return verdict;
}

void AccessControl::check(const std::optional<Login>& login, Permissions needed, std::function<void(Verdict)> done) {
  if (const auto verdict = known(login, needed)) return done(*verdict);
  const Digest digest = digest_of("login", login->name, login->password);
  const auto checking = checking_.find(digest);
  const bool is_too_much =
      awaited_ == kLoginsAwaitedMax || (checking == checking_.end() && checking_.size() == kLoginsCheckedMax);
  if (is_too_much) return done(Verdict::kOverloaded);
  ++awaited_;
  if (checking != checking_.end()) return checking->second.waiters.push_back({needed, std::move(done)});
  checking_.emplace(digest, Checking{*login, generation_, {{needed, std::move(done)}}});
  begin_checking(digest, *login);
}

/// Nothing if a hash has to be computed first.
std::optional<Verdict> AccessControl::decide(const std::optional<Login>& login, Permissions needed) {
  if (everybody_.grant(needed)) return Verdict::kGranted;
  if (!login || login->name.empty() || login->name.size() + login->password.size() > kLoginBytesMax)
    return Verdict::kDenied;
  const auto user = users_.find(login->name);
  const bool is_somebody = user != users_.end();
  const bool may = is_somebody && user->second.permissions.grant(needed);
  const bool needs_hash = is_somebody ? user->second.form == SecretForm::kBcrypt : !decoy_hash_.empty();
  if (needs_hash) {
    if (!is_remembered(digest_of("login", login->name, login->password))) return std::nullopt;
    return may ? Verdict::kGranted : Verdict::kDenied;
  }
  static constexpr Digest kNobodys{};
  const Digest presented = digest_of("password", login->name, login->password);
  const Digest& expected = is_somebody ? user->second.password : kNobodys;
  const bool is_right = CRYPTO_memcmp(presented.data(), expected.data(), presented.size()) == 0;
  return is_right && may ? Verdict::kGranted : Verdict::kDenied;
}

void AccessControl::begin_checking(const Digest& digest, const Login& login) {
  const auto user = users_.find(login.name);
  const bool has_hash = user != users_.end() && user->second.form == SecretForm::kBcrypt;
  const auto is_right = std::make_shared<bool>(false);
  ++stats_.hashes_computed;
  offload_([hash = has_hash ? user->second.hash : decoy_hash_, password = login.password,
            is_right] { *is_right = matches_bcrypt(hash, password); },
           [this, alive = std::weak_ptr(is_alive_), digest, has_hash, is_right] {
             if (!alive.expired()) checked(digest, has_hash && *is_right);
           });
}

void AccessControl::checked(const Digest& digest, bool is_right) {
  auto node = checking_.extract(digest);
  QUORATE_ASSERT(!node.empty());
  Checking& checking = node.mapped();
  awaited_ -= checking.waiters.size();
  if (checking.generation != generation_) {  // the users have changed meanwhile
    for (Waiter& waiter : checking.waiters) check(checking.login, waiter.needed, std::move(waiter.done));
    return;
  }
  if (is_right) remember(digest);
  const auto user = users_.find(checking.login.name);
  for (const Waiter& waiter : checking.waiters) {
    const bool may = is_right && user->second.permissions.grant(waiter.needed);
    waiter.done(count(may ? Verdict::kGranted : Verdict::kDenied));
  }
}

/// Of a login: whoever reads the memory of this process learns no password from it that was not there anyway.
AccessControl::Digest AccessControl::digest_of(std::string_view label, std::string_view name,
                                               std::string_view password) const {
  // The zero bytes keep the parts apart: neither a name nor a password has one.
  std::string text;
  text.reserve(label.size() + name.size() + password.size() + 2);
  text.append(label).append(1, '\0').append(name).append(1, '\0').append(password);
  Digest digest{};
  unsigned size = 0;
  const unsigned char* const made =
      HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  QUORATE_ASSERT(made != nullptr);
  QUORATE_ASSERT(size == digest.size());
  OPENSSL_cleanse(text.data(), text.size());
  return digest;
}

bool AccessControl::is_remembered(const Digest& digest) {
  const auto place = places_.find(digest);
  if (place == places_.end()) return false;
  remembered_.splice(remembered_.begin(), remembered_, place->second);
  return true;
}

void AccessControl::remember(const Digest& digest) {
  if (places_.contains(digest)) return;
  if (remembered_.size() == kLoginsRememberedMax) {
    places_.erase(remembered_.back());
    remembered_.pop_back();
  }
  remembered_.push_front(digest);
  places_.emplace(digest, remembered_.begin());
}

Verdict AccessControl::count(Verdict verdict) {
  if (verdict == Verdict::kGranted) ++stats_.granted;
  if (verdict == Verdict::kDenied) ++stats_.denied;
  return verdict;
}

}  // namespace quorate::security
