// Our segmentation and joining against the kernel's own: what is written to one TUN is forwarded to another
// one that has no offloads, so that the kernel segments it (tcp_gso_segment, udp_gso_segment) and computes
// every checksum.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstring>
#include <memory>

#include "net/packet.h"
#include "support/devices.h"
#include "support/kernel.h"
#include "support/packets.h"
#include "tun/coalescer.h"
#include "tun/segmenter.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

constexpr uint8_t kDestination = 2;  // of FlowSpec

// Two TUNs and the way from the first to the second.
struct Kernel {
  KernelTun in{"in0", {"10.99.0.1/24", "fd99::1/64"}};
  KernelTun out{"out0", {"10.99.1.1/24", "fd99:1::1/64"}};

  Kernel() {
    RouteTo("198.18.0.2/32", "out0");
    RouteTo("2001:20::2/128", "out0");
    out.SetOffloads(false);
  }
};

Kernel* Get() {
  if (auto why = EnterNamespace()) {
    Skip(*why);
    return nullptr;
  }
  static Kernel kernel;
  return &kernel;
}

Bytes WithoutVnet(const Bytes& data) { return Bytes(data.begin() + kVnetHeaderBytes, data.end()); }

// As the kernel forwards it (RFC 1812 s5.3.1): one hop less, the IPv4 header checksum to match.
Bytes Forwarded(Bytes packet) {
  if (packet[0] >> 4 == 6) {
    packet[7]--;
    return packet;
  }
  packet[8]--;
  packet[10] = packet[11] = 0;
  size_t header = (packet[0] & 0x0fU) * 4;
  uint16_t sum = NaiveChecksum(Bytes(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(header)));
  packet[10] = static_cast<uint8_t>(sum >> 8);
  packet[11] = static_cast<uint8_t>(sum);
  return packet;
}

std::vector<Bytes> Ours(const Bytes& data) {
  VnetHeader header;
  std::memcpy(&header, data.data(), sizeof header);
  Bytes packet = WithoutVnet(data);
  Bytes whole = packet;
  Segmenter segmenter;
  CHECK(segmenter.Init(header, packet.data(), packet.size()));
  std::vector<Bytes> out;
  for (size_t i = 0; i < segmenter.packets(); i++) {
    Bytes one(segmenter.PacketLength(i));
    segmenter.WritePacket(i, one.data());
    out.push_back(NaiveExpand(one, whole));
  }
  return out;
}

// Says what differs: the two packets as far as headers reach.
bool Same(const Bytes& came, const Bytes& expected) {
  if (came == expected) return true;
  auto head = [](const Bytes& packet) {
    return Bytes(packet.begin(),
                 packet.begin() + std::min<ptrdiff_t>(100, static_cast<ptrdiff_t>(packet.size())));
  };
  std::fprintf(stderr, "# Linux: %zu bytes %s\n# here:  %zu bytes %s\n", came.size(), Hex(head(came)).c_str(),
               expected.size(), Hex(head(expected)).c_str());
  return false;
}

// What the kernel makes of it, segment by segment, must be what we make of it: every byte. `busy`: the kernel
// says things of its own there, and those are passed over.
void Compare(KernelTun& in, KernelTun& out, const Bytes& data, uint8_t destination, bool busy = false) {
  CHECK(in.Write(data));
  for (const Bytes& expected : Ours(data)) {
    Bytes came;
    do {
      came = out.Read(destination);
      CHECK(!came.empty());
    } while (busy && WithoutVnet(came) != Forwarded(expected));
    CHECK(Same(WithoutVnet(came), Forwarded(expected)));
  }
}

bool KernelTakes(const Kernel& kernel, const FlowSpec& flow) { return !flow.udp || kernel.in.takes_udp(); }

FlowSpec ForwardableFlow(Source& source) {
  FlowSpec flow = RandomFlow(source);
  flow.hop_limit = 64;
  flow.no_checksum = false;
  flow.source = 1;
  return flow;
}

Bytes Payload(size_t length) {
  Bytes out(length);
  for (size_t i = 0; i < length; i++) out[i] = static_cast<uint8_t>(i * 7 + (i >> 8));
  return out;
}

void SegmentsAsLinux(Source& source) {
  Kernel* kernel = Get();
  if (kernel == nullptr) return;
  FlowSpec flow = ForwardableFlow(source);
  flow.flags = static_cast<uint8_t>(0x10 | source.Byte());
  if (!KernelTakes(*kernel, flow)) return;
  // Linux takes a super-packet only when it is one: more payload than a segment.
  auto gso_size = static_cast<uint16_t>(source.Between(500, 1460));
  Bytes payload =
      Payload(source.Between(size_t{gso_size} + 1, std::min<size_t>(60'000, size_t{gso_size} * 60)));
  Compare(kernel->in, kernel->out, MakeSuperPacket(flow, payload, gso_size), kDestination);
}

void LinuxTakesWhatWasJoined(Source& source) {
  Kernel* kernel = Get();
  if (kernel == nullptr) return;
  FlowSpec flow = ForwardableFlow(source);
  flow.flags = 0x10;
  if (!KernelTakes(*kernel, flow)) return;
  size_t size = source.Between(200, 1400);
  size_t count = source.Between(2, 60);
  std::vector<Bytes> packets;
  for (size_t i = 0; i < count; i++) {
    // Short and pushed ones end a super-packet, the last one may be shorter.
    if (!flow.udp && source.OneIn(16)) flow.flags = 0x18;
    packets.push_back(MakePacket(flow, Payload(source.OneIn(16) ? source.Between(1, size) : size)));
    flow.sequence +=
        static_cast<uint32_t>(packets.back().size() - (flow.v6 ? 60 : 40) - flow.tcp_options.size());
    flow.flags = 0x10;
    flow.id++;
  }
  ResetDevices();
  Counters counters;
  TunDevice device;
  CHECK(!device.Open("tun", 1400).failed());
  Coalescer coalescer(&device, &counters);
  for (const Bytes& packet : packets) {
    PacketView view;
    CHECK(ParsePacket(packet.data(), packet.size(), &view));
    coalescer.Add(packet.data(), packet.data() + view.transport_offset, view);
  }
  coalescer.Flush();
  CHECK(packets.size() < 8 || tun_written.size() < packets.size());
  for (const Bytes& one : tun_written) CHECK(kernel->in.Write(one));
  for (const Bytes& packet : packets) {
    Bytes came = kernel->out.Read(kDestination);
    CHECK(!came.empty());
    CHECK(SameButId(WithoutVnet(came), Forwarded(packet)));
  }
}

}  // namespace

PROPERTY("Linux segments a super-packet into the same bytes, checksums and IPv4 identifications",
         SegmentsAsLinux, 300);
PROPERTY("Linux takes what was joined, and segments it into what came, but for the IPv4 identification",
         LinuxTakesWhatWasJoined, 200);

TEST("super-packets of Linux' own TCP and UDP are segmented as Linux segments them") {
  Kernel* kernel = Get();
  if (kernel == nullptr) return;
  constexpr uint8_t kPeer = 9;
  KernelTun tun("x0", {"10.99.5.1/24", "fd99:5::1/64"});
  for (bool v6 : {false, true}) {
    sockaddr_storage name{};
    socklen_t length = 0;
    auto to = [&](uint16_t port) {
      auto peer = IpAddress::Parse(v6 ? "fd99:5::9" : "10.99.5.9");
      if (v6) {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        std::memcpy(&six.sin6_addr, peer->bytes.data(), 16);
        std::memcpy(&name, &six, length = sizeof six);
      } else {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        std::memcpy(&four.sin_addr, &peer->bytes[12], 4);
        std::memcpy(&name, &four, length = sizeof four);
      }
    };
    Bytes payload = Payload(20'000);
    int family = v6 ? AF_INET6 : AF_INET;
    // The same ones once more, through the kernel.
    auto compare = [&](const std::vector<Bytes>& sent) {
      size_t supers = 0;
      tun.SetOffloads(false);
      for (const Bytes& data : sent) {
        if (data[1] != 0) supers++;
        Compare(kernel->in, tun, data, kPeer, true);
      }
      tun.SetOffloads(true);
      CHECK(supers > 0);
    };

    // TCP: the handshake's other half is made here.
    Fd stream(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    to(80);
    CHECK(connect(stream.get(), reinterpret_cast<sockaddr*>(&name), length) == -1);
    size_t ip = v6 ? 40 : 20;
    // The stream of the other family may still have something to say.
    auto next = [&](uint8_t protocol, uint8_t flags) {
      for (;;) {
        Bytes data = tun.Read(kPeer);
        CHECK(!data.empty());
        Bytes packet = WithoutVnet(data);
        bool same = packet[0] >> 4 == (v6 ? 6 : 4) && packet[v6 ? 6 : 9] == protocol;
        if (same && (protocol == kProtocolUdp || (packet[ip + 13] & flags) != 0)) return data;
      }
    };
    constexpr uint8_t kSyn = 0x02;
    constexpr uint8_t kAck = 0x10;
    Bytes syn = WithoutVnet(next(kProtocolTcp, kSyn));
    auto word = [&](size_t at) {
      return uint32_t{syn[ip + at]} << 24 | uint32_t{syn[ip + at + 1]} << 16 |
             uint32_t{syn[ip + at + 2]} << 8 | syn[ip + at + 3];
    };
    FlowSpec answer;
    answer.v6 = v6;
    answer.source_port = 80;
    answer.destination_port = static_cast<uint16_t>(word(0) >> 16);
    answer.sequence = 77;
    answer.acknowledgement = word(4) + 1;
    answer.flags = 0x12;
    answer.window = 0xffff;
    answer.tcp_options = {2, 4, 1000 >> 8, 1000 & 0xff};  // RFC 9293 s3.7.1: MSS
    Bytes packet = MakePacket(answer, {});
    // From the peer to us.
    size_t bytes = v6 ? 16 : 4;
    size_t addresses = v6 ? 8 : 12;
    for (size_t i = 0; i < bytes; i++) {
      packet[addresses + i] = syn[addresses + bytes + i];
      packet[addresses + bytes + i] = syn[addresses + i];
    }
    Bytes syn_ack(kVnetHeaderBytes);
    packet = Completed(packet);
    syn_ack.insert(syn_ack.end(), packet.begin(), packet.end());
    // An interface that is so young may not deliver to its IPv6 address yet.
    pollfd writable{stream.get(), POLLOUT, 0};
    for (int tries = 0; poll(&writable, 1, 100) != 1; tries++) {
      CHECK(tries < 100);
      CHECK(tun.Write(syn_ack));
    }
    CHECK(send(stream.get(), payload.data(), payload.size(), 0) == static_cast<ssize_t>(payload.size()));
    // Ten segments of 1,000 bytes or less are the first window (RFC 6928).
    std::vector<Bytes> sent;
    for (size_t total = 0; total < 5000; total += sent.back().size() - kVnetHeaderBytes) {
      sent.push_back(next(kProtocolTcp, kAck));
    }
    compare(sent);

    if (!tun.takes_udp()) continue;
    Fd datagrams(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    int size = 1200;
    CHECK(setsockopt(datagrams.get(), IPPROTO_UDP, 103, &size, sizeof size) == 0);  // UDP_SEGMENT
    to(5000);
    CHECK(sendto(datagrams.get(), payload.data(), payload.size(), 0, reinterpret_cast<sockaddr*>(&name),
                 length) == static_cast<ssize_t>(payload.size()));
    compare({next(kProtocolUdp, 0)});
  }
}

}  // namespace idloc::test
