#include "server/settings/backup_record.hpp"

#include <boost/json/serialize.hpp>

#include "server/settings/detail/object_reader.hpp"

namespace quorate::settings {

std::string print(const BackupRecord& record) {
  const boost::json::object fields{
      {"id", record.id}, {"name", record.name}, {"bytes", record.bytes}, {"timestamp", record.unix_seconds}};
  return boost::json::serialize(fields) + "\n";
}

Result<BackupRecord> parse_backup_record(std::string_view text, const std::string& file) {
  const auto value = parse_json(text, file);
  if (!value) return tl::unexpected(value.error());
  Complaint complaint;
  ObjectReader in(*value, file, complaint);
  BackupRecord record{.id = in.text("id"), .name = in.text("name")};
  const std::int64_t bytes = in.integer("bytes");
  if (bytes < 0) in.complain("bytes", "must not be negative");
  record.bytes = static_cast<std::uint64_t>(bytes);
  record.unix_seconds = in.integer("timestamp");
  if (complaint.first) return tl::unexpected(*complaint.first);
  return record;
}

}  // namespace quorate::settings
