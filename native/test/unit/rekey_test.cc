#include <utility>

#include "link/link_control.h"
#include "link/record_format.h"
#include "support/data_plane_tester.h"
#include "unit/test.h"

namespace idloc::test {

// Makes an association old: 2^25 records and 2^36 forgeries take too long.
class SessionAger {
 public:
  static constexpr uint64_t kMaxRecords = DtlsSession::kMaxRecords;
  static constexpr uint64_t kMaxForged = DtlsSession::kMaxForged;

  static void SetSent(const Link* link, uint64_t records) { link->session->send_sequence_ = records; }
  static void SetForged(const Link* link, uint64_t records) { link->session->forged_ = records; }
};

namespace {

// RFC 8446 s5.5, RFC 9147 s4.5.3: what AES-GCM bears under one key.
static_assert(SessionAger::kMaxRecords <= uint64_t{1} << 25);
static_assert(SessionAger::kMaxForged <= uint64_t{1} << 36);

struct Pair {
  DataPlaneTester client{1};
  DataPlaneTester server{2};
  Linked link;

  Pair() : link((ResetDevices(), Connect(client, server))) {
    client.TakeEvents();
    server.TakeEvents();
  }
};

// Records of epoch 1 and later in what was sent.
std::vector<uint64_t> SequencesOf(const std::vector<Bytes>& datagrams) {
  std::vector<uint64_t> out;
  for (Bytes datagram : datagrams) {
    RecordView record;
    for (size_t at = 0; NextRecord(datagram.data() + at, datagram.size() - at, &record);
         at += record.length) {
      if (record.epoch != 0) out.push_back(record.sequence);
    }
  }
  return out;
}

bool HasEnded(DataPlaneTester& host, LinkId link) {
  for (const Event& event : host.TakeEvents()) {
    if (event.type == EventType::kClosed && event.link == link) return event.reason == "its keys are used up";
  }
  return false;
}

// A ClientHello inside the link, as the client's own handshake for new keys begins, with another random each.
Bytes RekeyHello(const Bytes& hello, uint16_t number) {
  Bytes out{kRekeyFlight};
  out.insert(out.end(), hello.begin(), hello.end());
  out[1 + kHelloRandomOffset] = static_cast<uint8_t>(number >> 8);
  out[2 + kHelloRandomOffset] = static_cast<uint8_t>(number);
  return out;
}

// The client's keys come to their age: both ends have new ones within a few records.
void CheckNewKeysInTime(Pair& pair) {
  constexpr uint64_t kOld = uint64_t{1} << 24;
  SessionAger::SetSent(pair.client.FindLink(pair.link.a), kOld - 2);
  for (int i = 0; i < 20; i++) {
    pair.client.Run(SendRecord{pair.link.a, {0x80, 1, 2, 3}});
    pair.client.Advance(kMillisecond);
    Carry(pair.client, pair.server);
  }
  for (auto [host, id] : {std::pair{&pair.client, pair.link.a}, std::pair{&pair.server, pair.link.b}}) {
    CHECK(host->count(Counter::rekeysCompleted) == 1);
    CHECK(host->FindLink(id)->session->records() < 100);
  }
}

}  // namespace

TEST("keys that could not be changed in time are not used beyond their limit: the link ends, and says why") {
  for (bool peer_answers : {false, true}) {
    Pair pair;
    // Too few are left for another handshake.
    constexpr uint64_t kLeft = 3;
    SessionAger::SetSent(pair.client.FindLink(pair.link.a), SessionAger::kMaxRecords - kLeft);
    std::vector<Bytes> sent;
    for (uint64_t i = 0; i < 2 * kLeft && pair.client.FindLink(pair.link.a) != nullptr; i++) {
      pair.client.Run(SendRecord{pair.link.a, {0x80, 1, 2, 3}});
      for (Bytes& datagram : TakeSent()) {
        if (peer_answers) pair.server.ReceiveDatagram(datagram, pair.client.endpoint());
        sent.push_back(std::move(datagram));
      }
      std::exchange(udp_sent, {});
      pair.client.Advance(kMillisecond);
    }
    CHECK(HasEnded(pair.client, pair.link.a) && pair.client.links() == 0);
    std::vector<uint64_t> sequences = SequencesOf(sent);
    CHECK(!sequences.empty());
    for (uint64_t sequence : sequences) CHECK(sequence < SessionAger::kMaxRecords);
  }
}

TEST("a link whose keys are old enough, and whose peer answers, has new ones long before their limit") {
  Pair pair;
  CheckNewKeysInTime(pair);
  size_t received = 0;
  for (const Event& event : pair.server.TakeEvents()) received += event.type == EventType::kRecord;
  CHECK(received == 20);
}

TEST("when so many records were forged that one more might pass, the link ends") {
  Pair pair;
  SessionAger::SetForged(pair.server.FindLink(pair.link.b), SessionAger::kMaxForged - 2);
  for (int i = 0; i < 2; i++) {
    CHECK(pair.server.FindLink(pair.link.b) != nullptr);
    pair.client.Run(SendRecord{pair.link.a, {0x80, 1, 2, 3}});
    std::vector<Bytes> sent = TakeSent();
    CHECK(sent.size() == 1);
    sent[0].back() ^= 1;
    pair.server.ReceiveDatagram(sent[0], pair.client.endpoint());
    pair.server.Advance(kMillisecond);
  }
  CHECK(HasEnded(pair.server, pair.link.b) && pair.server.links() == 0);
}

TEST(
    "a peer that begins new keys again and again is heard a few times, then every two seconds, and still "
    "gets them") {
  Pair pair;
  DataPlaneTester stranger{3};
  stranger.Run(SetPath{stranger.OpenLink(false), Path{{}, pair.server.endpoint()}});
  std::vector<Bytes> hello = TakeSent();
  CHECK(hello.size() == 1);
  uint16_t number = 0;
  auto flood = [&](uint16_t count) {
    uint64_t dropped = pair.server.count(Counter::dropRekeyFlood);
    for (uint16_t i = 0; i < count; i++) {
      pair.client.Run(SendRecord{pair.link.a, RekeyHello(hello[0], number++)});
      for (const Bytes& datagram : TakeSent()) pair.server.ReceiveDatagram(datagram, pair.client.endpoint());
      TakeSent();
    }
    return count - (pair.server.count(Counter::dropRekeyFlood) - dropped);
  };
  CHECK(flood(1000) == 4);
  CHECK(flood(1000) == 0);
  pair.server.Advance(2 * kSecond);
  TakeSent();
  CHECK(flood(1000) == 1);
  pair.client.Advance(2 * kSecond);
  pair.server.Advance(2 * kSecond);
  TakeSent();

  CheckNewKeysInTime(pair);
  CHECK(flood(1000) == 0);
}

TEST("a handshake for new keys whose ClientHello never comes whole is given up") {
  Pair pair;
  DataPlaneTester stranger{3};
  stranger.Run(SetPath{stranger.OpenLink(false), Path{{}, pair.server.endpoint()}});
  Bytes piece = RekeyHello(TakeSent()[0], 1);
  // It says that one more byte of the message follows.
  piece[1 + kRecordHeaderBytes + 3]++;
  pair.client.Run(SendRecord{pair.link.a, piece});
  Carry(pair.client, pair.server);
  CHECK(pair.server.FindLink(pair.link.b)->rekeying->next != nullptr);
  pair.server.Advance(14 * kSecond);
  CHECK(pair.server.FindLink(pair.link.b)->rekeying->next != nullptr);
  pair.server.Advance(2 * kSecond);
  CHECK(pair.server.FindLink(pair.link.b)->rekeying->next == nullptr);
  CHECK(pair.server.count(Counter::rekeysFailed) == 1);
}

}  // namespace idloc::test
