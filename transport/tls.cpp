#include "transport/tls.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace quorate::transport {

namespace {

tl::unexpected<Error> refuse(const std::string& file, const std::string& what) {
  return fail(ErrorKind::kInvalidArgument, file + ": " + what);
}

/// Why OpenSSL could not do the last thing it was asked for.
std::string last_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = ERR_reason_error_string(code);
  if (reason != nullptr) return reason;
  return ERR_SYSTEM_ERROR(code) ? "it cannot be read" : "the file is not as it should be";
}

std::string time_text(const ASN1_TIME* time) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  char text[64] = {};
  if (out == nullptr || ASN1_TIME_print(out.get(), time) != 1) return "a time that cannot be read";
  const int size = BIO_read(out.get(), text, sizeof(text) - 1);
  return {text, static_cast<std::size_t>(std::max(size, 0))};
}

/// A key that is encrypted must not make a server ask its terminal for a password.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

TlsContext::TlsContext(TlsOptions options) : options_(std::move(options)) {
  const bool accepts = options_.side == TlsOptions::Side::kAccepting;
  context_.reset(SSL_CTX_new(accepts ? TLS_server_method() : TLS_client_method()));
}

TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::load(const TlsOptions& options) {
  ERR_clear_error();
  std::shared_ptr<TlsContext> made(new TlsContext(options));
  SSL_CTX* const context = made->native();
  if (context == nullptr) return fail(ErrorKind::kUnsupported, "TLS cannot be used here: " + last_reason());
  const bool is_set = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                      SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
  if (!is_set) return fail(ErrorKind::kUnsupported, "TLS cannot be used here: " + last_reason());
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  // Clients of HTTP often end a connection without saying so; what they may have asked for says itself where it ends.
  const bool accepts = options.side == TlsOptions::Side::kAccepting;
  if (accepts) SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (auto used = made->use_certificate(); !used) return tl::unexpected(used.error());
  if (auto used = made->use_authorities(); !used) return tl::unexpected(used.error());
  return made;
}

Result<void> TlsContext::use_certificate() {
  const auto& [certificate, key, authorities] = options_.files;
  if (certificate.empty()) return {};
  SSL_CTX_set_default_passwd_cb(native(), no_password);
  if (SSL_CTX_use_certificate_chain_file(native(), certificate.c_str()) != 1)
    return refuse(certificate, "no certificate in PEM form can be read from it: " + last_reason());
  ERR_clear_error();
  if (SSL_CTX_use_PrivateKey_file(native(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH)
      return refuse(key, "the key is not that of the certificate in " + certificate);
    return refuse(key, "no key in PEM form, without a password, can be read from it: " + last_reason());
  }
  if (SSL_CTX_check_private_key(native()) != 1)
    return refuse(key, "the key is not that of the certificate in " + certificate);
  return {};
}

Result<void> TlsContext::use_authorities() {
  if (options_.proof == TlsOptions::Proof::kNone) return {};
  const std::string& authorities = options_.files.authorities;
  ERR_clear_error();
  const bool is_used = authorities.empty() ? SSL_CTX_set_default_verify_paths(native()) == 1
                                           : SSL_CTX_load_verify_file(native(), authorities.c_str()) == 1;
  if (!is_used) return refuse(authorities, "no certificates in PEM form can be read from it: " + last_reason());
  const bool accepts = options_.side == TlsOptions::Side::kAccepting;
  SSL_CTX_set_verify(native(), SSL_VERIFY_PEER | (accepts ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  // Clients choose by this which of their certificates they present.
  if (accepts && !authorities.empty())
    SSL_CTX_set_client_CA_list(native(), SSL_load_client_CA_file(authorities.c_str()));
  return {};
}

std::string TlsContext::untimeliness() const {
  const X509* const certificate = SSL_CTX_get0_certificate(context_.get());
  if (certificate == nullptr) return {};
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
    return "it has expired, at " + time_text(X509_get0_notAfter(certificate));
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
    return "it is not valid before " + time_text(X509_get0_notBefore(certificate));
  return {};
}

void TlsContext::replace(TlsContext& fresh) {
  std::swap(options_, fresh.options_);
  std::swap(context_, fresh.context_);
}

}  // namespace quorate::transport
