// The dot-commands that read or write files: whole databases, CSV, and everything that nodes say of themselves.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <ostream>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "server/shell/dot_commands.hpp"
#include "server/shell/importer.hpp"

namespace quorate::shell {

namespace {

namespace json = boost::json;

constexpr std::uint64_t kPieceBytes = std::uint64_t{256} << 10;
/// A file is checked and taken over before there is an answer.
constexpr std::chrono::minutes kLoadPatience{10};

/// "http://host:port" of every node that answers, in the order of their names.
std::vector<std::string> hosts_in(const std::string& nodes) {
  std::vector<std::string> hosts;
  boost::system::error_code error;
  const json::value parsed = json::parse(nodes, error);
  const json::value* list = error ? nullptr : parsed.find_pointer("/nodes", error);
  if (list == nullptr || !list->is_array()) return hosts;
  for (const json::value& node : list->get_array()) {
    const json::value* address = node.find_pointer("/api_addr", error);
    if (address == nullptr || !address->is_string()) continue;
    const std::string url(address->get_string());
    const auto begin = url.find("//");
    hosts.push_back(begin == std::string::npos ? url : url.substr(begin + 2));
  }
  return hosts;
}

}  // namespace

/// Under another name until it is whole: what is there already stays as it is if anything fails.
Verdict DotCommands::download(const std::string& target, const std::string& path) {
  const std::string unfinished = path + ".part";
  std::ofstream file(unfinished, std::ios::binary | std::ios::trunc);
  if (!file) return session.complain("cannot write to " + unfinished);
  std::uint64_t bytes = 0;
  const auto reply = session.send({.target = target}, [&](std::string_view piece) {
    bytes += piece.size();
    return file.write(piece.data(), static_cast<std::streamsize>(piece.size())).good();
  });
  file.close();
  std::error_code error;
  if (!file) {
    session.complain(unfinished + " cannot be written; is the disk full?");
  } else if (session.is_success(reply)) {
    std::filesystem::rename(unfinished, path, error);
    if (!error) {
      session.out() << bytes << " bytes written to " << path << '\n';
      return Verdict::kGoOn;
    }
    session.complain("cannot write to " + path + ": " + error.message());
  }
  std::filesystem::remove(unfinished, error);
  return Verdict::kFailed;
}

Verdict DotCommands::upload(const std::string& target, const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) return session.complain("cannot read " + path);
  client::HttpRequest request{.method = "POST", .target = target, .content_type = "application/octet-stream"};
  request.body_bytes = size;
  request.patience = kLoadPatience;
  request.body_at = [&file, &path, size](std::uint64_t offset) -> Result<std::string> {
    std::string piece(std::min<std::uint64_t>(kPieceBytes, size - offset), '\0');
    file.seekg(static_cast<std::streamoff>(offset));
    if (file.read(piece.data(), static_cast<std::streamsize>(piece.size()))) return piece;
    return fail(ErrorKind::kIo, path + " cannot be read to its end");
  };
  return target == "/boot" ? print_answer(request) : session.run_and_show(request);
}

Verdict DotCommands::backup(const Arguments& arguments) {
  return arguments.empty() ? session.complain("usage: .backup FILE") : download("/db/backup", arguments[0]);
}

Verdict DotCommands::dump(const Arguments& arguments) {
  if (arguments.empty()) return session.complain("usage: .dump FILE [TABLE,...]");
  const std::string tables = arguments.size() > 1 ? "&tables=" + client::percent_encode(arguments[1]) : std::string();
  return download("/db/backup?fmt=sql" + tables, arguments[0]);
}

Verdict DotCommands::restore(const Arguments& arguments) {
  return arguments.empty() ? session.complain("usage: .restore FILE") : upload("/db/load", arguments[0]);
}

Verdict DotCommands::boot(const Arguments& arguments) {
  return arguments.empty() ? session.complain("usage: .boot FILE") : upload("/boot", arguments[0]);
}

Verdict DotCommands::import(const Arguments& arguments) {
  auto wish = import_wish_of(arguments);
  return wish ? Importer(session, std::move(*wish)).run() : session.complain(wish.error().message);
}

/// A node that does not answer is part of what there is to tell.
Verdict DotCommands::system_dump(const Arguments& arguments) {
  if (arguments.empty()) return session.complain("usage: .sysdump FILE");
  const auto nodes = session.ask({.target = "/nodes?ver=2&nonvoters"});
  if (!nodes) return Verdict::kFailed;
  std::ofstream file(arguments[0], std::ios::trunc);
  for (const std::string& host : hosts_in(*nodes)) {
    const auto node = session.client_.beside(host);
    for (const char* page : {"/status?pretty", "/nodes?pretty&ver=2&nonvoters", "/debug/vars"}) {
      const auto reply = node->send({.target = page});
      file << "\n=== " << host << page << "\n\n"
           << (reply ? reply->body : "it does not answer: " + reply.error().message) << '\n';
    }
  }
  file.close();
  return file ? Verdict::kGoOn : session.complain("cannot write to " + arguments[0]);
}

}  // namespace quorate::shell
