// Whole databases over HTTP: GET /db/backup, POST /db/load, POST /boot. Both ways stream, whatever the size.
//
// Any node answers. A backup is of the node's own copy, which has everything that was acknowledged before the request
// (with `noleader`: whatever it has). What is loaded goes on to the leader piece by piece as it comes:
//
//   POST /db/load?upload=<token>&offset=<bytes>   from a node: the next piece of that upload
//   POST /db/load?upload=<token>                  from a node: that was all, load it
//
// Loop thread only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "server/bulk.hpp"
#include "server/cluster.hpp"
#include "server/database.hpp"
#include "server/http/exchange.hpp"
#include "transport/http_handler.hpp"

namespace quorate::http {

class BulkHandler {
 public:
  /// `bulk` may be null: then there is nothing of all that. `seed` keeps the uploads of this life apart from others'.
  BulkHandler(const HandlerContext& context, server::Database& database, server::Cluster& cluster, server::Bulk* bulk,
              std::uint64_t seed);
  ~BulkHandler();

  /// Of requests whose body may be large.
  [[nodiscard]] static bool comes_in_pieces(Method method, std::string_view target);
  [[nodiscard]] std::shared_ptr<BodyTaker> taker_for(const Request& head);

  void back_up(Exchange exchange);
  void load(Exchange exchange);
  void boot(Exchange exchange);

 private:
  class Upload;
  class LocalUpload;
  class RelayedUpload;
  class Copying;
  /// On the leader, of an upload that another node passes on.
  struct Relayed {
    std::shared_ptr<server::IncomingFile> file;
    std::uint64_t bytes = 0;
    Instant last_heard;
  };

  void load_as(server::IncomingFile::Accepted accepted, Exchange exchange);
  void take_piece(const std::string& token, std::uint64_t offset, Exchange exchange);
  void load_relayed(const std::string& token, server::IncomingFile::Accepted accepted, Exchange exchange);
  void forget_silent();

  const HandlerContext& context_;
  server::Database& database_;
  server::Cluster& cluster_;
  server::Bulk* bulk_;
  std::uint64_t seed_;
  std::uint64_t uploads_ = 0;
  std::map<std::string, Relayed> relayed_;
};

}  // namespace quorate::http
