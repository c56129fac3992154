#pragma once
// What streams say of themselves in TLS: as little as a web server and a browser would.
#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "link/dtls_context.h"

namespace idloc {

// How a stream looks to the network that it passes.
struct StreamGuise {
  // Of whom dials, for SNI (RFC 6066 s3), and in the certificate of whom is dialed; empty: none.
  std::string server_name;
  // RFC 7301; of whom is dialed: the first one of these that the other end offers.
  std::vector<std::string> alpn;
};

// Of whom is dialed, PEM: its certificate and those between it and an authority, and the key. Empty: it
// shows one of its own, made at once, that has nothing to do with the host identity.
struct StreamCertificate {
  std::string certificates;
  std::string key;
};

// TURN in ALPN (RFC 7443 s3).
inline constexpr char kTurnProtocol[] = "stun.turn";

// Takes any certificate.
Error MakeStreamClient(const StreamGuise& guise, SslContext* out);
// Of a TURN server: takes only a certificate that is in force for `name`, a host name or an IP address, and
// is vouched for by one of `authorities` (PEM), or by one of those that the system trusts where that is
// empty.
Error MakeTurnClient(const std::string& name, const std::string& authorities, SslContext* out);
// `guise` is borrowed for the life of the context.
Error MakeStreamServer(const StreamGuise& guise, const StreamCertificate& certificate, SslContext* out);

}  // namespace idloc
