#include "server/backups/auto_backup.hpp"

#include <utility>

#include <fmt/format.h>

#include "server/log.hpp"

namespace quorate::server {

using settings::BackupRecord;
using settings::BackupSettings;

/// One backup on its way.
struct AutoBackup::Copy {
  Instant begun;
  std::unique_ptr<BackupReader> reader;
  std::shared_ptr<BackupFile> file;
};

AutoBackup::AutoBackup(BackupSettings settings, const std::string& owner, Surroundings surroundings)
    : settings_(std::move(settings)), directory_(settings_, owner), surroundings_(std::move(surroundings)) {}

template <class T>
void AutoBackup::run(std::function<Result<T>()> job, std::function<void(Result<T>)> done) {
  auto result = std::make_shared<std::optional<Result<T>>>();
  surroundings_.run([job = std::move(job), result] { *result = job(); },
                    [result, done = std::move(done), life = std::weak_ptr(life_)] {
                      if (!life.expired()) done(std::move(**result));
                    });
}

void AutoBackup::look_later() {
  surroundings_.after(settings_.interval, [this, life = std::weak_ptr(life_)] {
    if (!life.expired()) look();
  });
}

void AutoBackup::look() {
  const std::optional<std::string> state = surroundings_.state();
  if (!state) return look_later();
  if (*state == backed_up_) {
    ++counts_.skipped;
    return look_later();
  }
  run<bool>([directory = directory_, state = *state]() -> Result<bool> { return directory.has(state); },
            [this, state = *state](Result<bool> has) {
              if (!*has) return make();
              backed_up_ = state;
              ++counts_.skipped_by_id;
              look_later();
            });
}

void AutoBackup::make() {
  const auto copy = std::make_shared<Copy>(Copy{.begun = surroundings_.now(), .reader = nullptr, .file = nullptr});
  using Begun = std::shared_ptr<BackupFile>;
  run<Begun>(
      [directory = directory_]() -> Result<Begun> {
        auto file = directory.begin();
        if (!file) return tl::unexpected(file.error());
        return Begun(std::move(*file));
      },
      [this, copy](Result<Begun> file) {
        if (!file) return failed(copy, file.error());
        copy->file = std::move(*file);
        const bool is_compact = settings_.content == BackupSettings::Content::kCompact;
        const bool is_packed = settings_.packing == BackupSettings::Packing::kGzip;
        const BackupWish wish{.form = is_compact ? BackupWish::Form::kCompactFile : BackupWish::Form::kFile,
                              .packing = is_packed ? BackupWish::Packing::kGzip : BackupWish::Packing::kNone};
        surroundings_.bulk.open_backup(
            wish, [this, copy, life = std::weak_ptr(life_)](Result<std::unique_ptr<BackupReader>> reader) {
              if (life.expired()) return;
              if (!reader) return failed(copy, reader.error());
              copy->reader = std::move(*reader);
              next_piece(copy);
            });
      });
}

void AutoBackup::next_piece(const std::shared_ptr<Copy>& copy) {
  copy->reader->read([this, copy, life = std::weak_ptr(life_)](Result<std::string> piece) {
    if (life.expired()) return;
    if (!piece) return failed(copy, piece.error());
    if (piece->empty()) return finish(copy);
    run<void>([file = copy->file, bytes = std::move(*piece)] { return file->append(bytes); },
              [this, copy](Result<void> appended) {
                if (!appended) return failed(copy, appended.error());
                next_piece(copy);
              });
  });
}

void AutoBackup::finish(const std::shared_ptr<Copy>& copy) {
  const auto since_1970 = surroundings_.clock().time_since_epoch();
  const std::int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(since_1970).count();
  run<BackupRecord>(
      [file = copy->file, state = copy->reader->state(), seconds] { return file->finish(state, seconds); },
      [this, copy](Result<BackupRecord> record) {
        if (!record) return failed(copy, record.error());
        succeeded(*copy, *record);
      });
}

void AutoBackup::succeeded(const Copy& copy, const BackupRecord& record) {
  last_ = Last{record, surroundings_.now() - copy.begun};
  ++counts_.ok;
  counts_.bytes += record.bytes;
  counts_.last_bytes = record.bytes;
  if (!last_error_.empty()) log_info("automatic backups succeed again");
  last_error_.clear();
  backed_up_ = record.id;
  log_debug(fmt::format("backed up to {}/{}, {} bytes", settings_.directory, record.name, record.bytes));
  look_later();
}

/// The same error again and again is told once.
void AutoBackup::failed(const std::shared_ptr<Copy>& copy, const Error& error) {
  ++counts_.failed;
  if (last_error_ != error.message)
    log_error(fmt::format("automatic backup to {} failed: {}; it is tried again at the next interval",
                          settings_.directory, error.message));
  last_error_ = error.message;
  // An unfinished file is removed where files are used.
  surroundings_.run([file = std::exchange(copy->file, nullptr)]() mutable { file.reset(); }, [] {});
  look_later();
}

}  // namespace quorate::server
