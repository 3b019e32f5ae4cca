#include "server/discovery/leader_record.hpp"

#include <utility>

#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "transport/host_port.hpp"

namespace quorate::discovery {

namespace json = boost::json;

namespace {

std::string text_of(const json::object& fields, std::string_view key) {
  const json::value* const value = fields.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

std::string encode(const LeaderRecord& record) {
  json::object fields{{"id", record.id}, {"api_addr", record.api_addr}, {"addr", record.addr}};
  if (record.is_founding) fields.emplace("founding", true);
  return json::serialize(fields);
}

Result<LeaderRecord> decode_leader_record(std::string_view text) {
  const auto refuse = [](const std::string& why) {
    return fail(ErrorKind::kCorrupt, "what stands under the key is no record of a leader (" + why + ")");
  };
  if (text.size() > kRecordBytesMax) return refuse("it is too large");
  json::parser parser;
  json::error_code error;
  parser.write(text.data(), text.size(), error);
  if (error) return refuse("no JSON: " + error.message());
  const json::value value = parser.release();
  const json::object* const fields = value.if_object();
  if (fields == nullptr) return refuse("no object");
  const json::value* const founding = fields->if_contains("founding");
  LeaderRecord record{.id = text_of(*fields, "id"),
                      .api_addr = text_of(*fields, "api_addr"),
                      .addr = text_of(*fields, "addr"),
                      .is_founding = founding != nullptr && founding->is_bool() && founding->get_bool()};
  if (record.id.empty()) return refuse("it has no \"id\"");
  const auto address = transport::parse_host_port(record.addr);
  if (!address || address->host.empty() || address->port == 0) return refuse("its \"addr\" is no host:port");
  return record;
}

}  // namespace quorate::discovery
