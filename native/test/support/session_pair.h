#pragma once
// Two ends of one DTLS association after their handshake.
#include <memory>
#include <vector>

#include "link/dtls_session.h"
#include "support/source.h"

namespace idloc::test {

class SessionPair {
 public:
  // With connection IDs in both directions, or in none.
  explicit SessionPair(bool connection_ids = false);

  DtlsSession& client() { return *client_; }
  DtlsSession& server() { return *server_; }
  // Datagrams that an end sends after the handshake end here and are forgotten by `TakeSent`.
  std::vector<Bytes> TakeSent();

 private:
  static void Output(void* owner, const uint8_t* data, size_t length);

  std::vector<Bytes> sent_;
  SslContext context_;
  std::unique_ptr<DtlsSession> client_;
  std::unique_ptr<DtlsSession> server_;
};

}  // namespace idloc::test
