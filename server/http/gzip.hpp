// A gzip stream (RFC 1952), made piece by piece. Not thread-safe; keep it on one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace quorate::http {

class GzipWriter {
 public:
  GzipWriter();
  ~GzipWriter();
  GzipWriter(GzipWriter&&) noexcept;
  GzipWriter& operator=(GzipWriter&&) = delete;

  /// The stream's next bytes; there may be none for now.
  [[nodiscard]] std::string write(std::string_view bytes);
  /// The stream's last bytes. Nothing is to be called after it.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quorate::http
