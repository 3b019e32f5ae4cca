#include "transport/detail/tls_session.hpp"

#include <cerrno>

#include <boost/asio/error.hpp>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "consensus/assert.hpp"
#include "transport/tls.hpp"

namespace quorate::transport::detail {

namespace asio = boost::asio;

namespace {

// OpenSSL's own way to a socket raises SIGPIPE when the other side is gone.

int socket_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const auto sent = ::send(socket_of(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const auto received = ::recv(socket_of(bio), bytes, static_cast<std::size_t>(size), 0);
  if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_read(bio);
  if (received == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(received);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* make_bio_method() {
  BIO_METHOD* const method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without signals");
  QUORATE_ASSERT(method != nullptr);
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_control);
  return method;
}

BIO* make_bio(int socket) {
  static BIO_METHOD* const method = make_bio_method();
  BIO* const bio = BIO_new(method);
  QUORATE_ASSERT(bio != nullptr);
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(bio, 1);
  return bio;
}

bool is_ip_address(const std::string& host) {
  ASN1_OCTET_STRING* const address = a2i_IPADDRESS(host.c_str());
  const bool is_address = address != nullptr;
  ASN1_OCTET_STRING_free(address);
  return is_address;
}

/// Whom the certificate must be of; where many hosts share an address, the name says which one is meant.
bool expect_host(SSL* session, const std::string& host) {
  if (is_ip_address(host)) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1;
  SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set_tlsext_host_name(session, host.c_str()) == 1 && SSL_set1_host(session, host.c_str()) == 1;
}

}  // namespace

void TlsSession::Free::operator()(ssl_st* session) const { SSL_free(session); }

TlsSession::TlsSession(const TlsContext& context, int socket, const std::string& host)
    : session_(SSL_new(context.native())), common_name_(context.options().common_name) {
  QUORATE_ASSERT(session_ != nullptr);
  BIO* const bio = make_bio(socket);
  SSL_set_bio(session_.get(), bio, bio);
  if (context.options().side == TlsOptions::Side::kAccepting) {
    SSL_set_accept_state(session_.get());
    return;
  }
  SSL_set_connect_state(session_.get());
  const std::string& expected = context.options().host_name.empty() ? host : context.options().host_name;
  if (!expect_host(session_.get(), expected)) problem_ = "\"" + expected + "\" is no name of a host";
}

TlsSession::~TlsSession() = default;

TlsStep TlsSession::handshake() {
  if (!problem_.empty()) return {.error = asio::error::invalid_argument};
  ERR_clear_error();
  TlsStep step = outcome(SSL_do_handshake(session_.get()), 0);
  if (step.wants != TlsWants::kNothing || step.error) return step;
  check_common_name();
  if (!problem_.empty()) step.error = asio::error::access_denied;
  is_established_ = !step.error;
  return step;
}

TlsStep TlsSession::read(std::span<char> into) {
  ERR_clear_error();
  std::size_t bytes = 0;
  const int returned = SSL_read_ex(session_.get(), into.data(), into.size(), &bytes);
  return outcome(returned, bytes);
}

/// A record at a time, until the socket takes no more.
TlsStep TlsSession::write(std::span<const char> bytes) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    ERR_clear_error();
    std::size_t now = 0;
    const auto rest = bytes.subspan(written);
    const int returned = SSL_write_ex(session_.get(), rest.data(), rest.size(), &now);
    const TlsStep step = outcome(returned, now);
    if (step.error || (step.wants != TlsWants::kNothing && written == 0)) return step;
    if (step.wants != TlsWants::kNothing) break;
    written += now;
  }
  return {.bytes = written};
}

bool TlsSession::has_unread() const { return SSL_has_pending(session_.get()) == 1; }

void TlsSession::say_goodbye() {
  if (!is_established_ || !problem_.empty()) return;
  ERR_clear_error();
  SSL_shutdown(session_.get());  // whether it can be sent or not, the connection ends
  is_established_ = false;
}

TlsStep TlsSession::outcome(int returned, std::size_t bytes) {
  const int error = SSL_get_error(session_.get(), returned);
  switch (error) {
    case SSL_ERROR_NONE: return {.bytes = bytes};
    case SSL_ERROR_WANT_READ: return {.wants = TlsWants::kRead};
    case SSL_ERROR_WANT_WRITE: return {.wants = TlsWants::kWrite};
    case SSL_ERROR_ZERO_RETURN: return {.error = asio::error::eof};
    default: break;
  }
  const int system_error = errno;
  problem_ = explain();
  if (error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0)
    return {.error = {system_error != 0 ? system_error : ECONNRESET, boost::system::system_category()}};
  return {.error = asio::error::connection_aborted};
}

std::string TlsSession::explain() {
  const long verdict = SSL_get_verify_result(session_.get());
  if (verdict != X509_V_OK && SSL_get_verify_mode(session_.get()) != SSL_VERIFY_NONE)
    return std::string("its certificate is not accepted: ") + X509_verify_cert_error_string(verdict);
  const unsigned long code = ERR_peek_last_error();
  if (code == 0) return {};
  const bool is_of_tls = ERR_GET_LIB(code) == ERR_LIB_SSL;
  met_plain_http_ = is_of_tls && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
  switch (is_of_tls ? ERR_GET_REASON(code) : 0) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST: return "it does not speak TLS";
    case SSL_R_UNEXPECTED_EOF_WHILE_READING: return "it has ended the connection without a word";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return "it has presented no certificate";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: return "it demands a certificate, and got none";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "it does not accept the certificate of this side: it knows no authority that vouches for it";
    default: break;
  }
  const char* const reason = ERR_reason_error_string(code);
  return reason != nullptr ? std::string("TLS: ") + reason : "TLS failed";
}

void TlsSession::check_common_name() {
  if (common_name_.empty()) return;
  const X509* const certificate = SSL_get0_peer_certificate(session_.get());
  std::string name;
  if (certificate != nullptr) {
    const X509_NAME* const subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0) {
      const ASN1_STRING* const text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
      name.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                  static_cast<std::size_t>(ASN1_STRING_length(text)));
    }
  }
  if (name != common_name_)
    problem_ = "its certificate is of \"" + name + "\", and must be of \"" + common_name_ + "\"";
}

}  // namespace quorate::transport::detail
