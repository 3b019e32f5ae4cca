#include "server/http/body.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <boost/json/basic_parser_impl.hpp>

#include "consensus/assert.hpp"
#include "server/http/hex.hpp"

namespace quorate::http {

namespace {

using sqlite::Blob;
using sqlite::SqlStatement;
using sqlite::Value;

/// x'48656C6C6F', if that is what it is.
std::optional<Blob> blob_literal(std::string_view text) {
  const bool has_form =
      (text.starts_with("x'") || text.starts_with("X'")) && text.ends_with('\'') && text.size() % 2 == 1;
  if (!has_form || text.size() < 3) return std::nullopt;
  const std::string_view digits = text.substr(2, text.size() - 3);
  Blob blob;
  blob.reserve(digits.size() / 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = hex_digit(digits[i]);
    const int low = hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    blob.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return blob;
}

Value text_value(std::string text) {
  if (auto blob = blob_literal(text)) return std::move(*blob);
  return Value(std::move(text));
}

using Positional = std::variant_alternative_t<0, sqlite::Parameters>;
using Named = std::variant_alternative_t<1, sqlite::Parameters>;

/// Builds statements from the parser's events. What is wrong with the request is noted, and the first complaint kept;
/// parsing goes on, because a body that is no JSON at all is called that and nothing else.
class StatementBuilder {
 public:
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  using Error = boost::json::error_code;
  using Text = boost::json::string_view;

  std::vector<SqlStatement> statements;
  std::string complaint;

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }

  bool on_array_begin(Error&) {
    switch (place()) {
      case Place::kTop: open(Bracket::kRequest); return true;
      case Place::kRequest:
        add_statement({});
        has_sql_ = false;
        open(Bracket::kStatement);
        return true;
      case Place::kStatement:
      case Place::kNames:
        if (!has_sql_) complain("invalid request");
        blob_.clear();
        open(Bracket::kBlob);
        return true;
      case Place::kBlob: complain("unsupported type []interface {}"); break;
      case Place::kIgnored: break;
    }
    open(Bracket::kIgnored);
    return true;
  }
  bool on_array_end(std::size_t, Error&) {
    const Bracket closed = brackets_.back();
    brackets_.pop_back();
    if (closed == Bracket::kStatement && !has_sql_) complain("invalid request");
    if (closed == Bracket::kBlob) add_parameter(std::move(blob_));
    return true;
  }
  bool on_object_begin(Error&) {
    switch (place()) {
      case Place::kTop:
      case Place::kRequest: complain("invalid request"); break;
      case Place::kStatement:
        if (!has_sql_) complain("invalid request");
        open(Bracket::kNames);
        return true;
      case Place::kNames:
      case Place::kBlob: complain("unsupported type map[string]interface {}"); break;
      case Place::kIgnored: break;
    }
    open(Bracket::kIgnored);
    return true;
  }
  bool on_object_end(std::size_t, Error&) {
    brackets_.pop_back();
    return true;
  }

  bool on_key_part(Text part, std::size_t, Error&) { return collect(part); }
  bool on_key(Text part, std::size_t, Error&) {
    collect(part);
    key_ = std::exchange(text_, {});
    return true;
  }
  bool on_string_part(Text part, std::size_t, Error&) { return collect(part); }
  bool on_string(Text part, std::size_t, Error&) {
    collect(part);
    on_text(std::exchange(text_, {}));
    return true;
  }

  bool on_number_part(Text part, Error&) { return collect(part); }
  bool on_int64(std::int64_t number, Text, Error&) {
    text_.clear();
    if (place() == Place::kBlob)
      add_byte(number);
    else
      on_scalar(number, "json.Number");
    return true;
  }
  bool on_uint64(std::uint64_t, Text part, Error& error) { return on_double(0, part, error); }
  /// The parser's own conversion is fast and may be off by one unit in the last place; what is stored must not be.
  bool on_double(double approximately, Text part, Error&) {
    collect(part);
    double number = 0;
    const auto parsed = std::from_chars(text_.data(), text_.data() + text_.size(), number);
    text_.clear();
    const bool is_out_of_range = parsed.ec == std::errc::result_out_of_range;
    if (is_out_of_range && std::abs(approximately) > 1) complain("number out of range");  // otherwise it is just tiny
    on_scalar(number, "json.Number");
    return true;
  }
  bool on_bool(bool value, Error&) {
    on_scalar(std::int64_t{value ? 1 : 0}, "bool");
    return true;
  }
  bool on_null(Error&) {
    on_scalar(std::monostate(), "<nil>");
    return true;
  }
  bool on_comment_part(Text, Error&) { return true; }
  bool on_comment(Text, Error&) { return true; }

 private:
  enum class Bracket : std::uint8_t { kRequest, kStatement, kNames, kBlob, kIgnored };
  enum class Place : std::uint8_t { kRequest, kStatement, kNames, kBlob, kIgnored, kTop };

  [[nodiscard]] Place place() const { return brackets_.empty() ? Place::kTop : static_cast<Place>(brackets_.back()); }
  void open(Bracket bracket) { brackets_.push_back(bracket); }
  bool collect(Text part) {
    text_.append(part.data(), part.size());
    return true;
  }
  void complain(std::string_view what) {
    if (complaint.empty()) complaint = what;
  }

  void on_text(std::string text) {
    switch (place()) {
      case Place::kTop: complain("invalid request"); return;
      case Place::kRequest: add_statement(std::move(text)); return;
      case Place::kStatement:
        if (has_sql_) return add_parameter(text_value(std::move(text)));
        statements.back().sql = std::move(text);
        has_sql_ = true;
        return;
      case Place::kNames: add_parameter(text_value(std::move(text))); return;
      case Place::kBlob: complain("unsupported type string"); return;
      case Place::kIgnored: return;
    }
  }

  void on_scalar(Value value, std::string_view go_type) {
    switch (place()) {
      case Place::kTop:
      case Place::kRequest: complain("invalid request"); return;
      case Place::kStatement:
        if (!has_sql_) return complain("invalid request");
        [[fallthrough]];
      case Place::kNames: add_parameter(std::move(value)); return;
      case Place::kBlob: complain("unsupported type " + std::string(go_type)); return;
      case Place::kIgnored: return;
    }
  }

  void add_byte(std::int64_t number) {
    if (number < 0 || number > 255) return complain("unsupported type json.Number");
    blob_.push_back(static_cast<std::byte>(number));
  }

  void add_statement(std::string sql) {
    if (statements.size() == kStatementsMax) {
      complain("too many statements");
      statements.clear();
    }
    statements.push_back({std::move(sql), {}});
  }

  void add_parameter(Value value) {
    if (!complaint.empty()) return;
    if (++parameter_count_ > kParametersMax) return complain("too many parameters");
    sqlite::Parameters& parameters = statements.back().parameters;
    if (place() == Place::kNames) {
      if (const auto* positional = std::get_if<Positional>(&parameters)) {
        if (!positional->empty()) return complain("positional and named parameters cannot be mixed");
        parameters = Named();
      }
      std::get<Named>(parameters).emplace_back(std::exchange(key_, {}), std::move(value));
    } else if (auto* positional = std::get_if<Positional>(&parameters)) {
      positional->push_back(std::move(value));
    } else {
      complain("positional and named parameters cannot be mixed");
    }
  }

  std::vector<Bracket> brackets_;
  std::string text_;  ///< of the string, key or number that is being read
  std::string key_;
  Blob blob_;
  bool has_sql_ = false;
  std::size_t parameter_count_ = 0;
};

}  // namespace

Result<std::vector<SqlStatement>> parse_statements(std::string_view json) {
  const auto refuse = [](std::string why) { return fail(ErrorKind::kInvalidArgument, std::move(why)); };
  if (json.find_first_not_of(" \t\r\n") == std::string_view::npos) return refuse("no statements");
  boost::json::parse_options options;
  options.max_depth = kJsonDepthMax;
  boost::json::basic_parser<StatementBuilder> parser(options);
  boost::json::error_code error;
  parser.write_some(false, json.data(), json.size(), error);
  if (error) return refuse("invalid JSON body");
  StatementBuilder& builder = parser.handler();
  if (!builder.complaint.empty()) return refuse(std::move(builder.complaint));
  if (builder.statements.empty()) return refuse("no statements");
  return std::move(builder.statements);
}

}  // namespace quorate::http
