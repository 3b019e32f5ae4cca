#include "server/settings/backup_settings.hpp"

#include <algorithm>
#include <functional>

#include "server/settings/backup_record.hpp"
#include "server/settings/detail/object_reader.hpp"

namespace quorate::settings {

namespace {

constexpr std::int64_t kVersion = 1;

/// What both kinds begin with. Anything else of the file makes no sense to whoever named another type.
bool has_known_head(ObjectReader& in) {
  if (in.integer("version") != kVersion) in.complain("version", "must be 1");
  const std::string type = in.text("type");
  if (type == "file") return true;
  if (type == "s3" || type == "gcs") {
    in.complain("type", "is \"" + type +
                            "\", which is not supported; supported is \"file\", and its directory may be where the "
                            "bucket is mounted (rclone mount, s3fs, gcsfuse)");
  } else {
    in.complain("type", "is \"" + type + "\"; supported is \"file\"");
  }
  return false;
}

bool is_file_name(const std::string& name) {
  const bool is_plain = name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
  return is_plain && name != "." && name != ".." && name.size() <= kFileNameBytesMax;
}

struct Place {
  std::string directory;
  std::string name;
};

Place read_place(ObjectReader& in) {
  Place place{in.text("dir"), in.text("name")};
  if (!is_file_name(place.name)) in.complain("name", "must be the name of a file in that directory, without a path");
  if (place.name == kBackupRecordFile)
    in.complain("name", "must be another one: that file says what the last backup is");
  return place;
}

/// What follows the texts' way is the same for both kinds: variables, JSON, one object, and complaints at the end.
template <class Settings>
Result<Settings> parse(std::string_view text, const std::string& file, const Environment& environment,
                       const std::function<void(ObjectReader&, Settings&)>& read) {
  const auto expanded = with_variables(text, file, environment);
  if (!expanded) return tl::unexpected(expanded.error());
  const auto value = parse_json(*expanded, file);
  if (!value) return tl::unexpected(value.error());
  Complaint complaint;
  ObjectReader in(*value, file, complaint);
  Settings settings;
  if (has_known_head(in)) {
    read(in, settings);
    in.end();
  }
  if (complaint.first) return tl::unexpected(*complaint.first);
  return settings;
}

template <class Settings>
Result<Settings> load(const std::string& file,
                      Result<Settings> (&parse_text)(std::string_view, const std::string&, const Environment&)) {
  const auto text = read_settings(file);
  if (!text) return tl::unexpected(text.error());
  return parse_text(*text, file, process_environment());
}

}  // namespace

Result<BackupSettings> parse_backup_settings(std::string_view text, const std::string& file,
                                             const Environment& environment) {
  return parse<BackupSettings>(text, file, environment, [](ObjectReader& in, BackupSettings& settings) {
    settings.interval = in.duration("interval", std::nullopt);
    if (settings.interval < kBackupIntervalMin) in.complain("interval", "must be at least 100ms");
    using enum BackupSettings::Content;
    using enum BackupSettings::Packing;
    using enum BackupSettings::Naming;
    settings.content = in.flag("vacuum", false) ? kCompact : kAsItIs;
    settings.packing = in.flag("no_compress", false) ? kNone : kGzip;
    settings.naming = in.flag("timestamp", false) ? kTimestamps : kOneFile;
    ObjectReader sub = in.object("sub");
    const Place place = read_place(sub);
    settings.directory = place.directory;
    settings.name = place.name;
    sub.end();
  });
}

Result<RestoreSettings> parse_restore_settings(std::string_view text, const std::string& file,
                                               const Environment& environment) {
  return parse<RestoreSettings>(text, file, environment, [](ObjectReader& in, RestoreSettings& settings) {
    settings.timeout = in.duration("timeout", settings.timeout);
    if (in.flag("continue_on_failure", false)) settings.on_failure = RestoreSettings::OnFailure::kContinue;
    ObjectReader sub = in.object("sub");
    if (sub.has("path")) {
      settings.path = sub.text("path");
    } else {
      const Place place = read_place(sub);
      settings.path = place.directory + "/" + place.name;
    }
    sub.end();
  });
}

Result<BackupSettings> load_backup_settings(const std::string& file) { return load(file, parse_backup_settings); }

Result<RestoreSettings> load_restore_settings(const std::string& file) { return load(file, parse_restore_settings); }

}  // namespace quorate::settings
