#pragma once
// Two ends of a stream, and what is between them.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stream/tls_context.h"
#include "stream/tls_stream.h"
#include "support/check.h"
#include "support/source.h"

namespace idloc::test {

// A server that proves a name; whoever trusts `pem` takes it.
struct NamedServer {
  SslContext context;
  std::string pem;
  std::string key_pem;

  explicit NamedServer(const std::string& alternative_name) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const uint8_t*>("turn.example.net"), -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_set_pubkey(certificate, key);
    X509_EXTENSION* names =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative_name.c_str());
    X509_add_ext(certificate, names, -1);
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, certificate);
    char* text = nullptr;
    long length = BIO_get_mem_data(out, &text);
    pem.assign(text, static_cast<size_t>(length));
    (void)BIO_reset(out);
    PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    length = BIO_get_mem_data(out, &text);
    key_pem.assign(text, static_cast<size_t>(length));
    CHECK(!MakeStreamServer({}, {}, &context).failed());
    CHECK(SSL_CTX_use_certificate(context.get(), certificate) == 1);
    CHECK(SSL_CTX_use_PrivateKey(context.get(), key) == 1);
    BIO_free(out);
    X509_EXTENSION_free(names);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
};

struct StreamPair {
  StreamGuise guise{"www.example.org", {"h2", "http/1.1"}};
  SslContext client_context;
  SslContext server_context;
  std::unique_ptr<TlsStream> client;
  std::unique_ptr<TlsStream> server;
  std::vector<Bytes> at_client;
  std::vector<Bytes> at_server;
  Nanoseconds now = kSecond;

  // `at_client`: the framing of that end, if it is another one.
  explicit StreamPair(Framing framing = Framing::kLength, std::optional<Framing> at_client = {}) {
    CHECK(!MakeStreamClient(guise, &client_context).failed());
    CHECK(!MakeStreamServer(guise, {}, &server_context).failed());
    Begin(framing, at_client.value_or(framing));
  }
  // To a TURN server whose name is to be `name`.
  StreamPair(NamedServer* named, const std::string& name, const std::string& authorities) {
    CHECK(!MakeTurnClient(name, authorities, &client_context).failed());
    server_context = std::move(named->context);
    Begin(Framing::kTurn, Framing::kTurn);
  }
  // Without TLS; not started.
  static StreamPair Plain(Framing framing) {
    StreamPair out(framing);
    out.client = TlsStream::CreatePlain(framing, out.now);
    out.server = TlsStream::CreatePlain(framing, out.now);
    return out;
  }
  void Begin(Framing of_server, Framing of_client) {
    client = TlsStream::Create(client_context.get(), false, guise.server_name, now, of_client);
    server = TlsStream::Create(server_context.get(), true, {}, now, of_server);
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
