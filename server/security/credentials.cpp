#include "server/security/credentials.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>

#include <boost/json/parser.hpp>
#include <boost/json/value.hpp>
#include <crypt.h>
#include <openssl/crypto.h>

namespace quorate::security {

namespace json = boost::json;

namespace {

constexpr std::string_view kEverybody = "*";
constexpr const char* kExpected = R"([{"username":"...","password":"...","perms":["..."]}, ...])";
/// "$2b$", two digits of cost, "$", 22 letters of salt and 31 of hash.
constexpr std::size_t kBcryptLength = 60;
constexpr std::string_view kBcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

tl::unexpected<Error> refuse(std::string message) { return fail(ErrorKind::kInvalidArgument, std::move(message)); }

/// ":line:column" of a place in a text.
std::string place_in(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto line = 1 + std::ranges::count(before, '\n');
  const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1: the first line
  return ":" + std::to_string(line) + ":" + std::to_string(at - line_begin + 1);
}

Result<json::value> parse_json(std::string_view text, const std::string& file) {
  json::parser parser;
  json::error_code error;
  const std::size_t used = parser.write_some(text.data(), text.size(), error);
  if (error)
    return refuse(file + place_in(text, used) + ": no JSON (" + error.message() + "); expected is " + kExpected);
  const std::size_t stray = text.find_first_not_of(" \t\r\n", used);
  if (stray != std::string_view::npos)
    return refuse(file + place_in(text, stray) + ": something follows the end of the list");
  return parser.release();
}

bool looks_like_bcrypt(std::string_view secret) {
  return secret.size() > 3 && secret.starts_with("$2") &&
         std::string_view("abxy").find(secret[2]) != std::string::npos && secret[3] == '$';
}

/// Empty if nothing is wrong.
std::string problem_of_bcrypt(std::string_view hash) {
  if (hash[2] == 'x') return "hashes of the form $2x$ are not supported; make one of the form $2b$";
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool has_shape = hash.size() == kBcryptLength && is_digit(hash[4]) && is_digit(hash[5]) && hash[6] == '$' &&
                         hash.find_first_not_of(kBcryptAlphabet, 7) == std::string_view::npos;
  if (!has_shape) return "the password begins like a bcrypt hash, but is none: a hash has 60 letters";
  const int cost = 10 * (hash[4] - '0') + (hash[5] - '0');
  if (cost < 4 || cost > static_cast<int>(kBcryptCostMax))
    return "the cost of the bcrypt hash is " + std::to_string(cost) + "; expected is 4 to " +
           std::to_string(kBcryptCostMax);
  return {};
}

/// One entry of the file, and what is wrong with it.
class EntryReader {
 public:
  EntryReader(std::string where, const json::value& entry) : where_(std::move(where)), entry_(entry) {}

  Result<User> read() {
    const json::object* const fields = entry_.if_object();
    if (fields == nullptr) return complain("it is no object");
    User user;
    const json::value* const name = fields->if_contains("username");
    if (name == nullptr || !name->is_string() || name->get_string().empty())
      return complain("\"username\" must be a text that is not empty");
    user.name = std::string(name->get_string());
    where_ += " (user \"" + user.name + "\")";
    for (const auto& [key, value] : *fields) {
      const bool is_known = key == "username" || key == "password" || key == "perms";
      if (!is_known) return complain("unknown key \"" + std::string(key) + "\"; known are username, password, perms");
    }
    if (auto done = read_password(*fields, user); !done) return tl::unexpected(done.error());
    if (auto done = read_permissions(*fields, user); !done) return tl::unexpected(done.error());
    return user;
  }

 private:
  tl::unexpected<Error> complain(const std::string& what) const { return refuse(where_ + ": " + what); }

  Result<void> read_password(const json::object& fields, User& user) const {
    const json::value* const password = fields.if_contains("password");
    if (password == nullptr) {
      if (user.name == kEverybody) return {};
      return complain("there is no \"password\"");
    }
    if (!password->is_string()) return complain("\"password\" must be a text");
    user.secret = std::string(password->get_string());
    if (user.name.size() + user.secret.size() > kLoginBytesMax) return complain("name and password are too long");
    const bool can_be_sent = user.name.find(':') == std::string::npos && user.name.find('\0') == std::string::npos &&
                             user.secret.find('\0') == std::string::npos;
    if (!can_be_sent) return complain("no client can log in with a colon in the name, or with zero bytes");
    if (!looks_like_bcrypt(user.secret)) return {};
    user.form = SecretForm::kBcrypt;
    const std::string problem = problem_of_bcrypt(user.secret);
    if (!problem.empty()) return complain(problem);
    return {};
  }

  Result<void> read_permissions(const json::object& fields, User& user) const {
    const json::value* const permissions = fields.if_contains("perms");
    if (permissions == nullptr) return {};
    if (!permissions->is_array()) return complain("\"perms\" must be a list of texts");
    for (const json::value& name : permissions->get_array()) {
      if (!name.is_string()) return complain("\"perms\" must be a list of texts");
      const std::string_view text = name.get_string();
      const auto permission = permission_named(text);
      if (!permission)
        return complain("unknown permission \"" + std::string(text) + "\"; known are " + permission_names());
      user.permissions.add(*permission);
    }
    return {};
  }

  std::string where_;
  const json::value& entry_;
};

}  // namespace

Result<Credentials> Credentials::parse(std::string_view text, const std::string& file) {
  if (text.size() > kAuthFileBytesMax)
    return refuse(file + ": larger than " + std::to_string(kAuthFileBytesMax) + " bytes");
  const auto value = parse_json(text, file);
  if (!value) return tl::unexpected(value.error());
  const json::array* const entries = value->if_array();
  if (entries == nullptr) return refuse(file + place_in(text, 0) + ": no list; expected is " + kExpected);
  if (entries->size() > kUsersMax) return refuse(file + ": more than " + std::to_string(kUsersMax) + " users");

  Credentials credentials;
  bool has_everybody = false;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const std::string where = file + ": entry " + std::to_string(i + 1);
    auto user = EntryReader(where, (*entries)[i]).read();
    if (!user) return tl::unexpected(user.error());
    if (user->name != kEverybody) {
      credentials.users_.push_back(std::move(*user));
      continue;
    }
    if (has_everybody) return refuse(where + ": user \"*\" is there twice");
    has_everybody = true;
    credentials.everybody_ = user->permissions;
  }
  std::ranges::sort(credentials.users_, {}, &User::name);
  const auto twice = std::ranges::adjacent_find(credentials.users_, {}, &User::name);
  if (twice != credentials.users_.end()) return refuse(file + ": user \"" + twice->name + "\" is there twice");
  return credentials;
}

Result<Credentials> Credentials::load(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return refuse("cannot open " + file + ": " + std::generic_category().message(errno));
  std::string text(kAuthFileBytesMax + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) return refuse("cannot read " + file + ": " + std::generic_category().message(errno));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return parse(text, file);
}

const User* Credentials::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(users_, name, {}, &User::name);
  return found != users_.end() && found->name == name ? &*found : nullptr;
}

bool matches_bcrypt(const std::string& hash, const std::string& password) {
  const auto room = std::make_unique<crypt_data>();
  const char* const made = crypt_r(password.c_str(), hash.c_str(), room.get());
  if (made == nullptr || std::strlen(made) != hash.size()) return false;
  return CRYPTO_memcmp(made, hash.data(), hash.size()) == 0;
}

}  // namespace quorate::security
