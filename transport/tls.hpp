// What one side of TLS connections presents, and what it demands of the other: files in PEM form, read once. Only
// TLS 1.2 and 1.3, with forward secrecy; no renegotiation, no session tickets, so that every connection meets what is
// in force when it is made.
//
// A context may be loaded on any thread; everything else is for the loop. Replacing one changes what new connections
// do; those that there are go on as they began.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "consensus/result.hpp"

struct ssl_ctx_st;

namespace quorate::transport {

struct TlsFiles {
  std::string certificate;  ///< this side's, followed by those that vouch for it; empty: it presents none
  std::string key;          ///< of the certificate, not encrypted
  std::string authorities;  ///< who may vouch for the other side; empty: those that the system trusts
};

struct TlsOptions {
  enum class Side : std::uint8_t { kAccepting, kDialling };
  enum class Proof : std::uint8_t {
    kNone,      ///< of the other side nothing is known
    kRequired,  ///< it has a certificate that an authority vouches for; whoever dials, one of the host it dialled
  };

  Side side = Side::kAccepting;
  TlsFiles files;
  Proof proof = Proof::kNone;
  std::string host_name;    ///< that the certificate must be of, instead of the host dialled
  std::string common_name;  ///< that the certificate must have as its subject's
};

class TlsContext {
 public:
  /// The error names the file, and says what is wrong with it.
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> load(const TlsOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// New connections do as `fresh` says.
  void replace(TlsContext& fresh);

  [[nodiscard]] const TlsOptions& options() const { return options_; }
  /// Why whoever verifies this side's certificate will refuse it because of the day that it is; empty if nobody will.
  [[nodiscard]] std::string untimeliness() const;
  /// For the .cpp files of this room.
  [[nodiscard]] ssl_ctx_st* native() const { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  explicit TlsContext(TlsOptions options);
  Result<void> use_certificate();
  Result<void> use_authorities();

  TlsOptions options_;
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

/// Of links between nodes, each of which is dialled by one side. Both or none; without them links are plain.
struct PeerTls {
  std::shared_ptr<TlsContext> accepting;
  std::shared_ptr<TlsContext> dialling;
};

}  // namespace quorate::transport
