// Carries out an .import (import.hpp): reads the file, makes the table if there is none, and sends the rows. One use.
#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "server/shell/csv_reader.hpp"
#include "server/shell/import.hpp"
#include "server/shell/session.hpp"

namespace quorate::shell {

class Importer {
 public:
  Importer(Session& session, ImportWish wish);

  Verdict run();

 private:
  struct Batch {
    std::string elements;
    std::vector<std::uint64_t> lines;  ///< of each row
  };

  [[nodiscard]] Result<void> prepare();
  [[nodiscard]] Result<void> import_rows();
  [[nodiscard]] Result<void> add(const std::vector<CsvField>& record, Batch& batch) const;
  [[nodiscard]] Result<void> send(Batch& batch);
  [[nodiscard]] Result<void> create_table(const std::vector<CsvField>& names);
  [[nodiscard]] Error at_line(std::uint64_t line, const std::string& what) const;
  /// What to do after a failure.
  [[nodiscard]] std::string advice() const;

  Session& session_;
  ImportWish wish_;
  std::ifstream file_;
  CsvReader reader_;
  std::vector<std::string> columns_;
  std::optional<InsertRows> insert_;
  std::uint64_t rows_ = 0;  ///< sent and in the table
};

}  // namespace quorate::shell
