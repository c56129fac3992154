#pragma once
// Two ends of a stream, and what is between them.
#include <memory>
#include <utility>
#include <vector>

#include "stream/tls_context.h"
#include "stream/tls_stream.h"
#include "support/check.h"
#include "support/source.h"

namespace idloc::test {

struct StreamPair {
  StreamGuise guise{"www.example.org", {"h2", "http/1.1"}};
  SslContext client_context;
  SslContext server_context;
  std::unique_ptr<TlsStream> client;
  std::unique_ptr<TlsStream> server;
  std::vector<Bytes> at_client;
  std::vector<Bytes> at_server;
  Nanoseconds now = kSecond;

  StreamPair() {
    CHECK(!MakeStreamClient(guise, &client_context).failed());
    CHECK(!MakeStreamServer(guise, &server_context).failed());
    client = TlsStream::Create(client_context.get(), false, guise.server_name, now);
    server = TlsStream::Create(server_context.get(), true, {}, now);
    CHECK(client != nullptr && server != nullptr);
    client->Start();
  }
  static Bytes Take(TlsStream* from) {
    size_t length = 0;
    const uint8_t* data = from->Output(&length);
    Bytes out(data, data + length);
    from->Sent(length);
    return out;
  }
  void Give(TlsStream* to, const Bytes& bytes) {
    std::vector<Bytes>* came = to == client.get() ? &at_client : &at_server;
    to->Receive(bytes.data(), bytes.size(), now,
                [came](uint8_t* datagram, size_t n) { came->emplace_back(datagram, datagram + n); });
  }
  // Until nothing moves.
  void Carry() {
    for (bool moves = true; moves;) {
      Bytes up = Take(client.get());
      Give(server.get(), up);
      Bytes down = Take(server.get());
      Give(client.get(), down);
      moves = !up.empty() || !down.empty();
    }
  }
};

}  // namespace idloc::test
