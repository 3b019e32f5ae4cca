// What automatic backup and restore need of the world, moved by hand: jobs run when they are asked to, alarms ring when
// they are told to, and Bulk gives and takes texts.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/bulk.hpp"

namespace quorate::server {

class ManualJobs {
 public:
  void run(std::function<void()> job, std::function<void()> done) {
    waiting_.emplace_back(std::move(job), std::move(done));
  }
  /// Until nothing is left to do.
  void run_all() {
    while (!waiting_.empty()) {
      const auto [job, done] = std::move(waiting_.front());
      waiting_.pop_front();
      job();
      done();
    }
  }
  [[nodiscard]] bool is_idle() const { return waiting_.empty(); }

 private:
  std::deque<std::pair<std::function<void()>, std::function<void()>>> waiting_;
};

class ManualAlarms {
 public:
  void after(Duration delay, std::function<void()> task) {
    delays.push_back(delay);
    tasks_.push_back(std::move(task));
  }
  /// All that are set now.
  void ring() {
    for (const auto& task : std::exchange(tasks_, {})) task();
  }

  std::vector<Duration> delays;

 private:
  std::vector<std::function<void()>> tasks_;
};

/// A database that is a text.
class TextBulk final : public Bulk {
 public:
  void open_backup(BackupWish wish, std::function<void(Result<std::unique_ptr<BackupReader>>)> done) override {
    wishes.push_back(wish);
    if (failure) return done(tl::unexpected(*failure));
    done(std::make_unique<Reader>(*this));
  }
  std::shared_ptr<IncomingFile> receive_file() override { return std::make_shared<Incoming>(*this); }

  std::string content;
  std::string state;
  std::optional<Error> failure;       ///< of everything
  std::optional<Error> read_failure;  ///< of the second piece that is read
  SqlEnd load_end;
  std::vector<BackupWish> wishes;

 private:
  class Reader final : public BackupReader {
   public:
    explicit Reader(TextBulk& bulk) : bulk_(bulk), rest_(bulk.content), state_(bulk.state) {}
    [[nodiscard]] std::string state() const override { return state_; }
    void read(std::function<void(Result<std::string>)> done) override {
      if (++reads_ == 2 && bulk_.read_failure) return done(tl::unexpected(*bulk_.read_failure));
      std::string piece = rest_.substr(0, 10);
      rest_.erase(0, piece.size());
      done(std::move(piece));
    }

   private:
    TextBulk& bulk_;
    std::string rest_;
    std::string state_;
    int reads_ = 0;
  };
  class Incoming final : public IncomingFile {
   public:
    explicit Incoming(TextBulk& bulk) : bulk_(bulk) {}
    void append(std::string piece, std::function<void(Result<void>)> done) override {
      text_ += piece;
      done(bulk_.failure ? Result<void>(tl::unexpected(*bulk_.failure)) : Result<void>());
    }
    void load(Accepted, Duration, SqlDone done) override {
      if (bulk_.load_end.kind == SqlEnd::Kind::kDone) bulk_.content = text_;
      done(bulk_.load_end);
    }

   private:
    TextBulk& bulk_;
    std::string text_;
  };
};

}  // namespace quorate::server
