#include <algorithm>
#include <cstring>
#include <memory>

#include "property/properties.h"
#include "support/check.h"
#include "support/session_pair.h"

namespace idloc::test {

namespace {

struct Sealed {
  Bytes record;
  Bytes plaintext;
  uint8_t type;
  bool opened = false;
};

// A handshake costs as much as a thousand records. Few uses of one pair, so that a finding hardly depends on
// what came before it.
SessionPair& Pair() {
  static std::unique_ptr<SessionPair> pair;
  static int uses = 0;
  if (pair == nullptr || ++uses == 64) {
    uses = 0;
    static bool connection_ids = false;
    connection_ids = !connection_ids;
    pair = std::make_unique<SessionPair>(connection_ids);
  }
  return *pair;
}

Sealed Seal(DtlsSession& from, uint8_t type, const Bytes& plaintext) {
  RecordLayout layout = from.send_layout();
  Bytes record(layout.overhead + plaintext.size());
  std::copy(plaintext.begin(), plaintext.end(),
            record.begin() + static_cast<ptrdiff_t>(layout.plaintext_offset));
  CHECK(from.SealRecord(record.data(), plaintext.size(), type));
  return {std::move(record), plaintext, type};
}

// Not by memcmp: libFuzzer takes its operands for inputs, and would send true records of the pair as its own.
bool Equal(const Bytes& a, const Bytes& b) {
  if (a.size() != b.size()) return false;
  uint8_t difference = 0;
  for (size_t at = 0; at < a.size(); at++) difference |= a[at] ^ b[at];
  return difference == 0;
}

class Receiver {
 public:
  explicit Receiver(DtlsSession& session) : session_(session) {}

  // As DataPlane::HandleRecords; `original` is what the datagram is a true copy of, or nullptr.
  void Receive(const Bytes& datagram, Sealed* original) {
    auto exact = std::make_unique<uint8_t[]>(datagram.size());
    std::copy(datagram.begin(), datagram.end(), exact.get());
    RecordView record;
    size_t at = 0;
    for (; NextRecord(exact.get() + at, datagram.size() - at, &record); at += record.length) {
      CHECK(record.length >= kRecordHeaderBytes && at + record.length <= datagram.size());
      Plaintext plaintext{};
      bool newest = false;
      DtlsSession::Opened opened = session_.OpenRecord(record, &plaintext, &newest);
      bool repeated = original != nullptr && original->opened;
      if (opened == DtlsSession::Opened::kApplicationData) {
        CHECK(original != nullptr && original->type == kContentApplicationData && !repeated);
        CHECK(plaintext.length == original->plaintext.size());
        CHECK(plaintext.length == 0 ||
              std::memcmp(plaintext.data, original->plaintext.data(), plaintext.length) == 0);
      } else if (opened == DtlsSession::Opened::kClosed) {
        CHECK(original != nullptr && original->type == kContentAlert && !repeated);
      } else if (original != nullptr) {
        CHECK(opened == (repeated ? DtlsSession::Opened::kReplayed : DtlsSession::Opened::kNothing) ||
              // Repeats of handshake records pass, a few of them.
              original->type == kContentHandshake);
        CHECK(repeated || original->type != kContentApplicationData);
      }
      if (original != nullptr) original->opened = true;
    }
  }

 private:
  DtlsSession& session_;
};

}  // namespace

void OpensOnlyWhatWasSealed(Source& source) {
  SessionPair& pair = Pair();
  bool to_server = source.OneIn(2);
  DtlsSession& from = to_server ? pair.client() : pair.server();
  Receiver receiver(to_server ? pair.server() : pair.client());
  std::vector<Sealed> all;
  for (size_t step = 0; step < 64 && !(step > 0 && source.done()); step++) {
    uint8_t what = source.Byte() % 8;
    if (all.empty() || what == 0) {
      all.push_back(Seal(from, kContentApplicationData, source.Take(source.Below(64))));
    } else if (what == 1) {
      // The peer holds the keys and may still be hostile.
      uint8_t type = source.OneIn(2) ? kContentAlert : source.OneIn(2) ? kContentHandshake : source.Byte();
      // Neither is a content type: 0 could not be told from padding behind a connection ID, tls12_cid is a
      // form of records (RFC 9146 s3).
      if (type == 0 || type == kContentConnectionId) type = 1;
      all.push_back(Seal(from, type, source.Take(source.Below(40))));
    } else if (what == 2) {
      Bytes record{static_cast<uint8_t>(20 + source.Below(8)), 0xfe, 0xfd, 0, 1};
      Bytes body = source.Take(source.Below(80));
      Bytes sequence = source.Take(6);
      record.insert(record.end(), sequence.begin(), sequence.end());
      record.push_back(0);
      record.push_back(static_cast<uint8_t>(body.size()));
      record.insert(record.end(), body.begin(), body.end());
      receiver.Receive(record, nullptr);
    } else if (what == 3) {
      receiver.Receive(source.Take(source.Below(100)), nullptr);
    } else {
      Sealed& one = all[source.Below(all.size())];
      Bytes copy = one.record;
      if (what == 4) copy.resize(source.Below(copy.size()));
      if (what == 5) copy[source.Below(copy.size())] ^= source.Byte();
      if (what == 6) {
        // A number of our choice on a true record.
        for (size_t at = 5; at < 11; at++) copy[at] = source.Byte();
      }
      receiver.Receive(copy, Equal(copy, one.record) ? &one : nullptr);
    }
  }
  pair.TakeSent();
  CHECK(pair.client().state() == DtlsSession::State::kConnected);
  CHECK(pair.server().state() == DtlsSession::State::kConnected);
  // Whatever came: the next true record passes.
  Sealed last = Seal(from, kContentApplicationData, {1, 2, 3});
  receiver.Receive(last.record, &last);
  CHECK(last.opened);
}

}  // namespace idloc::test
