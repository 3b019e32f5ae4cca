#include "server/shell/importer.hpp"

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <utility>

#include "server/shell/result_reader.hpp"
#include "server/shell/words.hpp"

namespace quorate::shell {

namespace {

bool is_blank_line(const std::vector<CsvField>& record) {
  return record.size() == 1 && record.front().text.empty() && !record.front().is_quoted;
}

bool equal_ignoring_case(const std::string& left, const std::string& right) {
  const auto lower = [](char letter) { return letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : +letter; };
  return std::ranges::equal(left, right, {}, lower, lower);
}

/// What the answer to the rows says: the first error and the position of its row; nothing if there is none.
struct Complaint {
  std::size_t row = 0;
  std::string error;
};
std::optional<Complaint> complaint_in(const std::string& body) {
  std::size_t row = 0;
  std::optional<Complaint> complaint;
  ResultReader reader({.columns = [](const std::vector<std::string>&) {},
                       .row = [](const std::vector<Cell>&) {},
                       .end =
                           [&](const ResultSummary& summary) {
                             if (!summary.error.empty() && !complaint) complaint = {row, summary.error};
                             ++row;
                           }});
  reader.read(body);
  const auto failure = reader.finish();
  if (!complaint && !failure) complaint = {0, failure.error().message};
  if (!complaint && *failure) complaint = {0, **failure};
  return complaint;
}

}  // namespace

Importer::Importer(Session& session, ImportWish wish)
    : session_(session), wish_(std::move(wish)), file_(wish_.file, std::ios::binary), reader_(file_, wish_.separator) {}

Error Importer::at_line(std::uint64_t line, const std::string& what) const {
  return {ErrorKind::kInvalidArgument, wish_.file + ", line " + std::to_string(line) + ": " + what};
}

std::string Importer::advice() const {
  if (session_.in_transaction()) return "; ROLLBACK gives up what the transaction has done so far";
  if (rows_ == 0) return "; nothing was imported";
  return "; " + std::to_string(rows_) + " rows are in the table already: go on behind them with --skip " +
         std::to_string(wish_.skip + rows_);
}

Verdict Importer::run() {
  std::error_code error;
  if (!file_ || std::filesystem::is_directory(wish_.file, error)) return session_.complain("cannot read " + wish_.file);
  if (const auto prepared = prepare(); !prepared) return session_.complain(prepared.error().message);
  insert_.emplace(wish_.table, columns_);
  if (const auto imported = import_rows(); !imported) return session_.complain(imported.error().message + advice());
  session_.out() << rows_ << (rows_ == 1 ? " row" : " rows") << " imported\n";
  session_.out().flush();
  return Verdict::kGoOn;
}

/// Finds out which columns the fields belong to.
Result<void> Importer::prepare() {
  const auto known = session_.query("SELECT name FROM pragma_table_info(" + quoted_text(wish_.table) + ")");
  if (!known) return fail(ErrorKind::kUnavailable, "nothing was imported");
  for (const auto& row : known->rows) columns_.push_back(row.front().text);
  const bool is_new = columns_.empty();
  if (!is_new && !wish_.has_header) return {};
  const auto names = reader_.next();
  if (!names) return fail(ErrorKind::kInvalidArgument, wish_.file + ", " + names.error().message);
  if (names->empty()) return tl::unexpected(at_line(1, "there is nothing in the file"));
  if (is_new) return create_table(*names);
  std::vector<std::string> chosen;
  for (const CsvField& name : *names) {
    const auto column =
        std::ranges::find_if(columns_, [&](const auto& one) { return equal_ignoring_case(one, name.text); });
    if (column == columns_.end())
      return tl::unexpected(at_line(reader_.line(), "table " + wish_.table + " has no column \"" + name.text + "\""));
    chosen.push_back(*column);
  }
  columns_ = std::move(chosen);
  return {};
}

Result<void> Importer::create_table(const std::vector<CsvField>& names) {
  std::string sql = "CREATE TABLE " + quoted_name(wish_.table) + "(";
  for (const CsvField& name : names) {
    if (!is_utf8(name.text)) return tl::unexpected(at_line(reader_.line(), "it is not UTF-8"));
    sql.append(columns_.empty() ? "" : ", ").append(quoted_name(name.text)).append(" TEXT");
    columns_.push_back(name.text);
  }
  if (session_.run_sql(sql + ");") != Verdict::kGoOn)
    return fail(ErrorKind::kInvalidArgument, "table " + wish_.table + " could not be made of line 1 of " + wish_.file);
  return {};
}

Result<void> Importer::import_rows() {
  Batch batch;
  for (std::uint64_t number = 0;; ++number) {
    auto record = reader_.next();
    if (!record) return fail(ErrorKind::kInvalidArgument, wish_.file + ", " + record.error().message);
    if (record->empty()) return send(batch);
    if (number < wish_.skip) continue;
    if (is_blank_line(*record) && columns_.size() > 1) continue;
    if (auto added = add(*record, batch); !added) return added;
    if (batch.lines.size() < kImportRowsMax && batch.elements.size() < kImportBytesMax) continue;
    if (auto sent = send(batch); !sent) return sent;
  }
}

Result<void> Importer::add(const std::vector<CsvField>& record, Batch& batch) const {
  if (record.size() != columns_.size())
    return tl::unexpected(at_line(reader_.line(), "there are " + std::to_string(record.size()) +
                                                      " fields where there should be " +
                                                      std::to_string(columns_.size())));
  std::vector<std::optional<std::string>> values;
  for (const CsvField& field : record) {
    if (!is_utf8(field.text)) return tl::unexpected(at_line(reader_.line(), "it is not UTF-8"));
    const bool is_null = wish_.null && !field.is_quoted && field.text == *wish_.null;
    values.push_back(is_null ? std::nullopt : std::optional(field.text));
  }
  batch.elements.append(batch.lines.empty() ? "" : ",").append(insert_->element(values));
  batch.lines.push_back(reader_.line());
  return {};
}

Result<void> Importer::send(Batch& batch) {
  if (batch.lines.empty()) return {};
  const auto body = session_.ask(session_.write_request("[" + batch.elements + "]"));
  if (!body)
    return fail(ErrorKind::kUnavailable, "lines " + std::to_string(batch.lines.front()) + " to " +
                                             std::to_string(batch.lines.back()) + " of " + wish_.file +
                                             " were not acknowledged");
  if (const auto complaint = complaint_in(*body)) {
    const std::size_t row = std::min(complaint->row, batch.lines.size() - 1);
    return tl::unexpected(at_line(batch.lines[row], complaint->error));
  }
  rows_ += batch.lines.size();
  batch = {};
  return {};
}

}  // namespace quorate::shell
