#include "statemachine/sqlite/request_codec.hpp"

#include <string>
#include <type_traits>

#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/value_codec.hpp"

namespace quorate::sqlite {
namespace {

constexpr std::uint8_t kFormat = 1;
enum class Naming : std::uint8_t { kByPosition = 0, kByName = 1 };

template <class E>
void put(ByteWriter& out, E value) {
  out.fixed(static_cast<std::uint8_t>(value));
}

void put_error(ByteWriter& out, const SqlError& error) {
  put(out, error.kind);
  out.fixed(static_cast<std::uint32_t>(error.code));
  out.string(error.message);
}

void put_result(ByteWriter& out, const StatementResult& result) {
  put(out, result.kind);
  out.fixed(static_cast<std::uint64_t>(result.last_insert_rowid));
  out.fixed(static_cast<std::uint64_t>(result.rows_affected));
  if (result.kind == StatementResult::Kind::kError) put_error(out, result.error);
  if (result.kind != StatementResult::Kind::kRows) return;
  out.varint(result.columns.size());
  for (const ColumnDescription& column : result.columns) {
    out.string(column.name);
    out.string(column.declared_type);
    out.string(column.table);
  }
  out.varint(result.rows.size());
  for (const std::vector<Value>& row : result.rows) {
    for (const Value& value : row) put_value(out, value);
  }
}

/// Of an enumeration whose last member is `last`.
template <class E>
E take_enum(ByteReader& in, E last) {
  const auto value = in.fixed<std::uint8_t>();
  if (value > static_cast<std::uint8_t>(last)) in.fail();
  return in.failed() ? E{} : static_cast<E>(value);
}

/// A number of things each of which takes at least one byte of what is left.
std::size_t take_count(ByteReader& in) { return static_cast<std::size_t>(in.varint_at_most(in.left())); }

std::string take_text(ByteReader& in) { return std::string(in.text(in.left())); }

SqlError take_error(ByteReader& in) {
  SqlError error;
  error.kind = take_enum(in, SqlErrorKind::kStorage);
  error.code = static_cast<int>(in.fixed<std::uint32_t>());
  error.message = take_text(in);
  return error;
}

SqlStatement take_statement(ByteReader& in) {
  SqlStatement statement{take_text(in), {}};
  const Naming naming = take_enum(in, Naming::kByName);
  const std::size_t count = take_count(in);
  if (naming == Naming::kByPosition) {
    std::vector<Value> values;
    for (std::size_t i = 0; i < count && !in.failed(); ++i) values.push_back(take_value(in));
    statement.parameters = std::move(values);
  } else {
    std::vector<std::pair<std::string, Value>> values;
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      std::string name = take_text(in);
      values.emplace_back(std::move(name), take_value(in));
    }
    statement.parameters = std::move(values);
  }
  return statement;
}

StatementResult take_result(ByteReader& in) {
  StatementResult result;
  result.kind = take_enum(in, StatementResult::Kind::kError);
  result.last_insert_rowid = static_cast<std::int64_t>(in.fixed<std::uint64_t>());
  result.rows_affected = static_cast<std::int64_t>(in.fixed<std::uint64_t>());
  if (result.kind == StatementResult::Kind::kError) result.error = take_error(in);
  if (result.kind != StatementResult::Kind::kRows) return result;
  const std::size_t columns = take_count(in);
  for (std::size_t i = 0; i < columns && !in.failed(); ++i) {
    ColumnDescription& column = result.columns.emplace_back();
    column.name = take_text(in);
    column.declared_type = take_text(in);
    column.table = take_text(in);
  }
  const std::size_t rows = take_count(in);
  if (rows > 0 && columns == 0) in.fail();
  for (std::size_t i = 0; i < rows && !in.failed(); ++i) {
    std::vector<Value>& row = result.rows.emplace_back();
    for (std::size_t j = 0; j < columns && !in.failed(); ++j) row.push_back(take_value(in));
  }
  return result;
}

Result<void> check_format(ByteReader& in, const char* what) {
  const auto format = in.fixed<std::uint8_t>();
  if (in.failed() || format == 0) return fail(ErrorKind::kCorrupt, std::string("this is no ") + what);
  if (format > kFormat) return fail(ErrorKind::kUnsupported, std::string("a later release wrote this ") + what);
  return {};
}

}  // namespace

Payload encode(const Request& request) {
  ByteWriter out;
  out.fixed(kFormat);
  put(out, request.kind);
  put(out, request.atomicity);
  out.varint(request.statements.size());
  for (const SqlStatement& statement : request.statements) {
    out.string(statement.sql);
    if (const auto* values = std::get_if<std::vector<Value>>(&statement.parameters)) {
      put(out, Naming::kByPosition);
      out.varint(values->size());
      for (const Value& value : *values) put_value(out, value);
    } else {
      const auto& named = std::get<std::vector<std::pair<std::string, Value>>>(statement.parameters);
      put(out, Naming::kByName);
      out.varint(named.size());
      for (const auto& [name, value] : named) {
        out.string(name);
        put_value(out, value);
      }
    }
  }
  return Payload::copy_of(out.bytes());
}

Result<Request> decode_request(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  if (const Result<void> format = check_format(in, "request"); !format) return tl::unexpected(format.error());
  Request request;
  request.kind = take_enum(in, RequestKind::kMixed);
  request.atomicity = take_enum(in, Atomicity::kTransaction);
  const std::size_t count = take_count(in);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) request.statements.push_back(take_statement(in));
  if (!in.finished()) return fail(ErrorKind::kCorrupt, "this is no request");
  return request;
}

Payload encode(const Response& response) {
  ByteWriter out;
  out.fixed(kFormat);
  out.fixed(static_cast<std::uint8_t>(response.error ? 1 : 0));
  if (response.error) put_error(out, *response.error);
  out.varint(response.results.size());
  for (const StatementResult& result : response.results) put_result(out, result);
  return Payload::copy_of(out.bytes());
}

Result<Response> decode_response(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  if (const Result<void> format = check_format(in, "response"); !format) return tl::unexpected(format.error());
  Response response;
  const auto failed = in.fixed<std::uint8_t>();
  if (failed > 1) in.fail();
  if (failed == 1) response.error = take_error(in);
  const std::size_t count = take_count(in);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) response.results.push_back(take_result(in));
  if (!in.finished()) return fail(ErrorKind::kCorrupt, "this is no response");
  return response;
}

}  // namespace quorate::sqlite
