#include "support/data_plane_tester.h"

#include <cstring>
#include <utility>

#include "link/record_format.h"
#include "net/ecn.h"
#include "support/check.h"
#include "support/credentials.h"

namespace idloc::test {

namespace {
// Room in front of a datagram, as UdpSocket leaves it.
constexpr size_t kHeadroom = 64;

// As the filter of the urgent socket decides: a protected record whose sender marked it.
bool IsUrgent(const Bytes& datagram) {
  if (datagram.size() <= kRecordHeaderBytes || datagram[kRecordEpochOffset + 1] == 0) return false;
  size_t nonce = kRecordHeaderBytes + (datagram[0] == kContentConnectionId ? kConnectionIdBytes : 0);
  return datagram.size() > nonce && (datagram[nonce] & kUrgentNonceBit) != 0;
}
}  // namespace

DataPlaneTester::DataPlaneTester(uint8_t number, const Limits& limits) : number_(number) {
  plane_.options_.wake = [] {};
  plane_.options_.limits = limits;
  plane_.ApplyLimits();
  CHECK(!plane_.bulk_.sockets.Open(static_cast<uint16_t>(6080 + number)).failed());
  CHECK(!plane_.urgent_.sockets.OpenUrgent(&plane_.bulk_.sockets).failed());
  CHECK(!plane_.tun_.Open("tun", 1400).failed());
  plane_.now_ = kSecond;
  Run(SetCredentials{MakeContext()});
  Run(SetLocalAddresses{hit(), ipv4()});
}

// Those of support/packets.cc.
IpAddress DataPlaneTester::hit() const {
  uint8_t bytes[16] = {0x20, 0x01, 0, 0x20};
  bytes[15] = number_;
  return IpAddress::FromV6(bytes);
}
IpAddress DataPlaneTester::ipv4() const {
  uint8_t bytes[4] = {198, 18, 0, number_};
  return IpAddress::FromV4(bytes);
}

LinkId DataPlaneTester::OpenLink(bool server) {
  LinkId id = plane_.NewLink(server);
  plane_.RunCommands();
  return id;
}

void DataPlaneTester::Post(Command command) { plane_.Post(std::move(command)); }

void DataPlaneTester::Run(Command command) {
  Post(std::move(command));
  plane_.RunCommands();
  Flush();
}

std::vector<Event> DataPlaneTester::TakeEvents() {
  plane_.PublishEvents();
  plane_.WakeTaken();
  std::vector<Event> out;
  Event event;
  while (plane_.PopEvent(&event)) out.push_back(std::move(event));
  return out;
}

void DataPlaneTester::ReceiveDatagram(const Bytes& datagram, const Endpoint& from, uint8_t marked) {
  plane_.outer_ecn_ = marked & kEcnMask;
  ReceiveBatch({datagram}, from);
  plane_.outer_ecn_ = kNotEct;
}

void DataPlaneTester::ReceiveBatch(const std::vector<Bytes>& datagrams, const Endpoint& from) {
  std::vector<std::unique_ptr<uint8_t[]>> buffers;
  Path path{IpAddress::FromV4(kLoopback), from};
  for (const Bytes& datagram : datagrams) {
    CHECK(!datagram.empty());
    auto& buffer = buffers.emplace_back(std::make_unique<uint8_t[]>(kHeadroom + datagram.size()));
    std::memcpy(buffer.get() + kHeadroom, datagram.data(), datagram.size());
    plane_.receiving_ = IsUrgent(datagram) ? &plane_.urgent_ : &plane_.bulk_;
    plane_.HandleDatagram(buffer.get() + kHeadroom, datagram.size(), path);
  }
  Flush();
}

void DataPlaneTester::ReadTun(const Bytes& data) {
  auto exact = std::make_unique<uint8_t[]>(data.size());
  std::copy(data.begin(), data.end(), exact.get());
  bool urgent = plane_.IsUrgent(exact.get(), data.size());
  plane_.HandleTunPacket(exact.get(), data.size(), urgent ? &plane_.urgent_ : &plane_.bulk_);
  Flush();
}

void DataPlaneTester::Advance(Nanoseconds time) {
  plane_.now_ += time;
  plane_.RunTimers();
  Flush();
}

void DataPlaneTester::Flush() {
  for (Lane* lane : {&plane_.urgent_, &plane_.bulk_}) {
    lane->coalescer.Flush();
    lane->transmit.Flush();
  }
}

Bytes DataPlaneTester::CloseNotify(LinkId id) {
  Bytes record(DtlsSession::kMaxAlertRecordBytes);
  record.resize(plane_.links_.Find(id)->session->MakeCloseNotify(record.data()));
  return record;
}

uint64_t DataPlaneTester::count(Counter counter) {
  auto* values = static_cast<std::atomic<uint64_t>*>(plane_.counters_->data());
  return values[static_cast<size_t>(counter)].load();
}

void Carry(DataPlaneTester& a, DataPlaneTester& b) {
  std::vector<SentGroup> others;
  while (!udp_sent.empty()) {
    for (const SentGroup& group : std::exchange(udp_sent, {})) {
      DataPlaneTester& from = group.from == a.endpoint().port ? a : b;
      DataPlaneTester& to = &from == &a ? b : a;
      if (!(group.path.remote == to.endpoint())) {
        others.push_back(group);
        continue;
      }
      to.ReceiveBatch(Datagrams(group), from.endpoint());
    }
  }
  udp_sent = std::move(others);
}

Linked Connect(DataPlaneTester& a, DataPlaneTester& b) {
  Linked out{a.OpenLink(false), b.OpenLink(true)};
  b.Run(SetPath{out.b, Path{{}, a.endpoint()}, PathSet::kUnknownPreference});
  a.Run(SetPath{out.a, Path{{}, b.endpoint()}, PathSet::kUnknownPreference});
  Carry(a, b);
  const Link* first = a.FindLink(out.a);
  const Link* second = b.FindLink(out.b);
  CHECK(first != nullptr && first->connected && second != nullptr && second->connected);
  return out;
}

}  // namespace idloc::test
