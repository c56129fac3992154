// What strangers may throw at an agent's UDP port, at a steady rate, from many addresses and ports:
//   garbage_flood ADDRESS PORT RATE SECONDS SEED SOURCE...
// A quarter each: random bytes, STUN requests, DTLS ClientHellos without cookie, DTLS records of epoch 1 that
// no key made. Prints {"sent", "seconds"} after that time or at SIGTERM.
#include <csignal>
#include <random>
#include <vector>

#include "tool.h"

namespace {

constexpr int kBatch = 16;
constexpr int kPortsEach = 16;
constexpr int64_t kLongestDebt = 100 * bench::kMillisecond;
constexpr size_t kPrepared = 1024;         // datagrams; a multiple of the kinds
constexpr int kSmallReceiveBuffer = 4096;  // nobody reads the answers

volatile sig_atomic_t stopped = 0;

using Datagram = std::vector<uint8_t>;
using Random = std::mt19937_64;

void AppendRandom(Datagram& out, size_t count, Random& random) {
  for (size_t i = 0; i < count; i++) out.push_back(static_cast<uint8_t>(random()));
}

void Append(Datagram& out, std::initializer_list<uint8_t> bytes) { out.insert(out.end(), bytes); }

Datagram RandomBytes(Random& random) {
  Datagram out;
  AppendRandom(out, 1 + random() % 1400, random);
  return out;
}

/** RFC 8489 s5: a Binding request without attributes. */
Datagram StunRequest(Random& random) {
  Datagram out{0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42};
  AppendRandom(out, 12, random);
  return out;
}

/** RFC 6347 s4.3.1, RFC 5246 s7.4.1.2: record and handshake header, random, no session, no cookie, six cipher
 * suites. */
Datagram ClientHello(Random& random) {
  Datagram out{0x16, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x42};  // 66 bytes follow
  Append(out, {0x01, 0, 0, 0x36, 0, 0, 0, 0, 0, 0, 0, 0x36, 0xfe, 0xfd});
  AppendRandom(out, 32, random);
  Append(out, {0,    0,    0,    14,   0xc0, 0x2b, 0xc0, 0x2c, 0xc0, 0x0a,
               0xc0, 0x09, 0x00, 0x9c, 0x00, 0x2f, 0x00, 0xff, 1,    0});
  return out;
}

/** RFC 6347 s4.3.1: application data of epoch 1. */
Datagram ForgedRecord(Random& random) {
  const size_t length = 24 + random() % 1300;
  Datagram out{0x17, 0xfe, 0xfd, 0x00, 0x01};
  AppendRandom(out, 6, random);
  Append(out, {static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)});
  AppendRandom(out, length, random);
  return out;
}

std::vector<int> Sockets(int family, int count, char** sources) {
  std::vector<int> sockets;
  for (int i = 0; i < count; i++) {
    for (int port = 0; port < kPortsEach; port++) {
      int fd = bench::UdpSocket(family);
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kSmallReceiveBuffer, sizeof kSmallReceiveBuffer);
      bench::Address source = bench::ParseAddress(sources[i], 0);
      if (bind(fd, source.get(), source.length) != 0) bench::Fail(sources[i]);
      sockets.push_back(fd);
    }
  }
  return sockets;
}

int Flood(bench::Address to, double rate, double seconds, uint64_t seed, int source_count, char** sources) {
  Random random(seed);
  Datagram (*const kinds[])(Random&) = {RandomBytes, StunRequest, ClientHello, ForgedRecord};
  std::vector<Datagram> datagrams;
  for (size_t i = 0; i < kPrepared; i++) datagrams.push_back(kinds[i % std::size(kinds)](random));
  std::vector<iovec> parts;
  for (Datagram& datagram : datagrams) parts.push_back({datagram.data(), datagram.size()});
  std::vector<int> sockets = Sockets(to.family(), source_count, sources);

  struct sigaction action {};
  action.sa_handler = [](int) { stopped = 1; };
  sigaction(SIGTERM, &action, nullptr);
  printf("ready\n");
  fflush(stdout);

  mmsghdr messages[kBatch]{};
  bench::PreciseTimers();
  bench::Pacer pacer(rate, kLongestDebt);
  const int64_t start = bench::Now();
  const int64_t end = start + static_cast<int64_t>(seconds * bench::kSecond);
  int64_t sent = 0;
  size_t next = 0;
  size_t socket = 0;
  int64_t now;
  while ((now = bench::Now()) < end && stopped == 0) {
    int due = pacer.Due(kBatch, now);
    if (due == 0) continue;
    for (int i = 0; i < due; i++) {
      messages[i].msg_hdr = {};
      messages[i].msg_hdr.msg_name = &to.storage;
      messages[i].msg_hdr.msg_namelen = to.length;
      messages[i].msg_hdr.msg_iov = &parts[next++ % kPrepared];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    int done = sendmmsg(sockets[socket++ % sockets.size()], messages, static_cast<unsigned>(due), 0);
    if (done < 0) {
      if (errno != ECONNREFUSED && errno != ENOBUFS && errno != EINTR) bench::Fail("sendmmsg");
      done = 0;
    }
    pacer.Done(due);
    sent += done;
  }
  printf("{\"sent\":%lld,\"seconds\":%.6f}\n", static_cast<long long>(sent),
         static_cast<double>(bench::Now() - start) / bench::kSecond);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    fprintf(stderr, "usage: garbage_flood ADDRESS PORT RATE SECONDS SEED SOURCE...\n");
    return 2;
  }
  return Flood(bench::ParseAddress(argv[1], static_cast<uint16_t>(bench::Number(argv[2]))),
               bench::Number(argv[3]), bench::Number(argv[4]), static_cast<uint64_t>(bench::Number(argv[5])),
               argc - 6, argv + 6);
}
