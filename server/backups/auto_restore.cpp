#include "server/backups/auto_restore.hpp"

#include <optional>
#include <utility>

#include "server/http/go_text.hpp"

namespace quorate::server {

template <class T>
void AutoRestore::run(std::function<Result<T>()> job, std::function<void(Result<T>)> done) {
  auto result = std::make_shared<std::optional<Result<T>>>();
  surroundings_.run([job = std::move(job), result] { *result = job(); },
                    [result, done = std::move(done), life = std::weak_ptr(life_)] {
                      if (!life.expired()) done(std::move(**result));
                    });
}

void AutoRestore::restore(std::shared_ptr<IncomingFile> incoming, Done done) {
  incoming_ = std::move(incoming);
  done_ = std::move(done);
  deadline_ = surroundings_.now() + settings_.timeout;
  using Opened = std::shared_ptr<RestoreSource>;
  run<Opened>(
      [path = settings_.path]() -> Result<Opened> {
        auto source = RestoreSource::open(path);
        if (!source) return tl::unexpected(source.error());
        return std::make_shared<RestoreSource>(std::move(*source));
      },
      [this](Result<Opened> source) {
        if (!source) return end(tl::unexpected(source.error()));
        next_piece(*source);
      });
}

void AutoRestore::next_piece(const std::shared_ptr<RestoreSource>& source) {
  if (surroundings_.now() >= deadline_) {
    return end(fail(ErrorKind::kTimeout, settings_.path + " could not be read within " +
                                             http::format_duration(settings_.timeout) + "; set a longer \"timeout\""));
  }
  run<std::string>([source] { return source->next(); },
                   [this, source](Result<std::string> piece) {
                     if (!piece) return end(tl::unexpected(piece.error()));
                     if (piece->empty()) return load();
                     bytes_ += piece->size();
                     incoming_->append(std::move(*piece),
                                       [this, source, life = std::weak_ptr(life_)](Result<void> appended) {
                                         if (life.expired()) return;
                                         if (!appended) return end(tl::unexpected(appended.error()));
                                         next_piece(source);
                                       });
                   });
}

void AutoRestore::load() {
  incoming_->load(IncomingFile::Accepted::kFilesAndText, kRestoreLoadTimeout,
                  [this, life = std::weak_ptr(life_)](const SqlEnd& loaded) {
                    if (life.expired()) return;
                    if (loaded.kind == SqlEnd::Kind::kDone) return end({});
                    end(fail(ErrorKind::kInvalidArgument, settings_.path + ": " + loaded.error));
                  });
}

void AutoRestore::end(Result<void> how) {
  incoming_.reset();
  const Done done = std::exchange(done_, nullptr);
  done(std::move(how));
}

}  // namespace quorate::server
