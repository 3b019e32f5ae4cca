#include "server/backups/backups.hpp"

#include <chrono>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "server/data_directory.hpp"
#include "server/http/go_text.hpp"
#include "server/log.hpp"

namespace quorate::server {

using settings::BackupSettings;
using settings::RestoreSettings;

namespace {

/// Between two looks whether a node that is alone has made itself the leader, which takes an election timeout.
constexpr Duration kLeadPause = std::chrono::milliseconds(10);
constexpr const char* kDatabase = "main";

}  // namespace

Result<std::unique_ptr<Backups>> Backups::open(const NodeConfig& config, const std::string& node_name,
                                               BulkService& bulk, Alarms& alarms, const ThreadExecutor::Post& post) {
  std::unique_ptr<Backups> backups(new Backups(bulk, alarms));
  if (config.auto_backup.empty() && config.auto_restore.empty()) return backups;
  backups->thread_ = std::make_unique<ThreadExecutor>("quorate-backup", post);
  const auto run = [thread = backups->thread_.get()](std::function<void()> job, std::function<void()> done) {
    thread->run(std::move(job), std::move(done));
  };
  const auto now = [] { return transport::AsioRuntime::now(); };
  if (!config.auto_backup.empty()) {
    const auto settings = settings::load_backup_settings(config.auto_backup);
    if (!settings) return fail(ErrorKind::kInvalidArgument, "-auto-backup: " + settings.error().message);
    backups->backup_ = std::make_unique<AutoBackup>(
        *settings, fmt::format("{:016x}", id_of(node_name).value),
        AutoBackup::Surroundings{
            .bulk = bulk,
            .state = [self = backups.get()] { return self->state_to_back_up(); },
            .after = [&alarms](Duration delay, std::function<void()> task) { alarms.after(delay, std::move(task)); },
            .run = run,
            .clock = [] { return std::chrono::system_clock::now(); },
            .now = now});
  }
  if (!config.auto_restore.empty()) {
    const auto settings = settings::load_restore_settings(config.auto_restore);
    if (!settings) return fail(ErrorKind::kInvalidArgument, "-auto-restore: " + settings.error().message);
    backups->restore_ = std::make_unique<AutoRestore>(*settings, AutoRestore::Surroundings{.run = run, .now = now});
  }
  return backups;
}

Backups::~Backups() {
  life_.reset();
  thread_.reset();
}

bool Backups::has_database() const {
  sqlite::PageStore& store = replica_->store();
  const sqlite::Pin pin = store.pin(sqlite::PinKind::kApplied);
  const auto database = store.find_database(pin, kDatabase);
  return database && database->page_count.value > 0;
}

std::optional<std::string> Backups::state_to_back_up() const {
  if (is_restoring_ || !replica_->is_serving_leader() || !has_database()) return std::nullopt;
  return bulk_.current_state();
}

void Backups::begin(Replica& replica, Events events) {
  replica_ = &replica;
  events_ = std::move(events);
  if (backup_) {
    log_info(fmt::format("backing up to {}/{} every {} while this node leads", backup_->settings().directory,
                         backup_->settings().name, http::format_duration(backup_->settings().interval)));
    backup_->start();
  }
  const Configuration& configuration = replica.core().configuration();
  const bool is_alone = configuration.members.size() == 1 && configuration.contains(replica.core().id());
  if (!restore_ || !is_alone) {
    if (restore_) ++restores_.skipped;
    return let_in();
  }
  is_restoring_ = true;
  bulk_.mark_restoring(true);
  wait_to_lead();
}

/// A node that is alone loses the lead to nobody but to others that join it meanwhile, and gets its data from them
/// then.
void Backups::wait_to_lead() {
  const auto wait = [this] {
    alarms_.after(kLeadPause, [this, life = std::weak_ptr(life_)] {
      if (!life.expired()) wait_to_lead();
    });
  };
  if (replica_->core().leader() != kNoNode && !replica_->is_leader()) {
    ++restores_.skipped;
    return let_in();
  }
  if (!replica_->is_leader()) return wait();
  const Instant patience = transport::AsioRuntime::now() + kRestoreLoadTimeout;
  replica_->await_executor(patience, [this, wait, life = std::weak_ptr(life_)] {
    if (life.expired()) return;
    if (!replica_->executor().can_write()) return wait();
    restore_unless_there_is_something();
  });
}

void Backups::restore_unless_there_is_something() {
  const std::string& path = restore_->settings().path;
  if (has_database()) {
    ++restores_.skipped;
    log_info(fmt::format("nothing is restored from {}: this node has data", path));
    return let_in();
  }
  log_info(fmt::format("restoring the database from {}", path));
  restore_->restore(bulk_.receive_restore(), [this](const Result<void>& how) { restored(how); });
}

void Backups::restored(const Result<void>& how) {
  if (how) {
    ++restores_.ok;
    log_info(fmt::format("restored the database from {}, {} bytes", restore_->settings().path, restore_->bytes()));
    return let_in();
  }
  ++restores_.failed;
  const std::string what = "the database could not be restored: " + how.error().message;
  if (restore_->settings().on_failure == RestoreSettings::OnFailure::kContinue) {
    log_error(what + "; going on without, as the settings say");
    return let_in();
  }
  events_.failed({how.error().kind, what + "; make it good, leave out -auto-restore, or set \"continue_on_failure\""});
}

void Backups::let_in() {
  is_restoring_ = false;
  bulk_.mark_restoring(false);
  events_.ready();
}

// --- What it tells ---

std::optional<std::int64_t> Backups::last_backup_unix_seconds() const {
  if (!backup_ || !backup_->last()) return std::nullopt;
  return backup_->last()->record.unix_seconds;
}

void Backups::write_status(http::StatusTree& status) const {
  if (!backup_) return;
  const BackupSettings& settings = backup_->settings();
  http::StatusTree& backups = status["auto_backups"];
  backups["upload_destination"] = settings.directory + "/" + settings.name;
  backups["upload_interval"] = http::format_duration(settings.interval);
  backups["compress"] = settings.packing == BackupSettings::Packing::kGzip;
  backups["vacuum"] = settings.content == BackupSettings::Content::kCompact;
  backups["timestamp"] = settings.naming == BackupSettings::Naming::kTimestamps;
  backups["last_error"] = backup_->last_error();
  if (!backup_->last()) return;
  const settings::BackupRecord& last = backup_->last()->record;
  const std::chrono::sys_seconds made{std::chrono::seconds(last.unix_seconds)};
  backups["last_upload_time"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(made));
  backups["last_upload_duration"] = http::format_duration(backup_->last()->took);
  backups["last_upload_name"] = last.name;
  backups["last_upload_bytes"] = last.bytes;
  backups["last_upload_id"] = last.id;
}

void Backups::write_uploads(http::StatusTree& uploader) const {
  const UploadCounts counts = backup_ ? backup_->counts() : UploadCounts();
  uploader["num_uploads_ok"] = counts.ok;
  uploader["num_uploads_fail"] = counts.failed;
  uploader["num_uploads_skipped"] = counts.skipped;
  uploader["num_uploads_skipped_id"] = counts.skipped_by_id;
  uploader["total_upload_bytes"] = counts.bytes;
  uploader["last_upload_bytes"] = counts.last_bytes;
}

void Backups::write_downloads(http::StatusTree& downloader) const {
  downloader["num_downloads_ok"] = restores_.ok;
  downloader["num_downloads_fail"] = restores_.failed;
  downloader["num_downloads_skipped"] = restores_.skipped;
  downloader["download_bytes"] = restore_ ? restore_->bytes() : std::uint64_t{0};
}

}  // namespace quorate::server
