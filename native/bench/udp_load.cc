// Datagrams at a steady rate, and what arrives of them:
//   udp_load receive PORT                                  until SIGTERM; prints {"received"}
//   udp_load send ADDRESS PORT BYTES RATE WARM_UP SECONDS  RATE in datagrams a second; prints {"sent",
//   "seconds"}
// The first byte of a datagram says whether it counts. No segmentation offload: a datagram is one packet, as
// programs make it.
#include <csignal>

#include "tool.h"

namespace {

constexpr int kBatch = 32;
constexpr int kLargest = 9000;  // bytes
constexpr uint8_t kCounts = 1;
constexpr int64_t kLongestDebt = 10 * bench::kMillisecond;
// A receiver that waits for the CPU shall not be what loses them.
constexpr int kReceiveBuffer = 8 << 20;

volatile sig_atomic_t stopped = 0;

struct Batch {
  mmsghdr messages[kBatch]{};
  iovec parts[kBatch]{};
  uint8_t data[kBatch][kLargest]{};

  explicit Batch(size_t bytes) {
    for (int i = 0; i < kBatch; i++) {
      parts[i] = {data[i], bytes};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
};

int Receive(uint16_t port) {
  struct sigaction action {};
  action.sa_handler = [](int) { stopped = 1; };
  sigaction(SIGTERM, &action, nullptr);
  int fd = bench::BoundSocket(port);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
  timeval wait{0, 50'000};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0) bench::Fail("SO_RCVTIMEO");
  printf("ready\n");
  fflush(stdout);
  static Batch batch(kLargest);
  int64_t received = 0;
  while (stopped == 0) {
    int count = recvmmsg(fd, batch.messages, kBatch, MSG_WAITFORONE, nullptr);
    for (int i = 0; i < count; i++) received += batch.data[i][0] == kCounts ? 1 : 0;
  }
  printf("{\"received\":%lld}\n", static_cast<long long>(received));
  return 0;
}

int Send(const bench::Address& to, size_t bytes, double rate, double warm_up, double seconds) {
  if (bytes < 1 || bytes > kLargest || rate <= 0) return 2;
  int fd = bench::UdpSocket(to.family());
  if (connect(fd, to.get(), to.length) != 0) bench::Fail("connect");
  bench::PreciseTimers();
  static Batch batch(bytes);
  bench::Pacer pacer(rate, kLongestDebt);
  const int64_t counts_from = bench::Now() + static_cast<int64_t>(warm_up * bench::kSecond);
  const int64_t end = counts_from + static_cast<int64_t>(seconds * bench::kSecond);
  int64_t sent = 0;
  int64_t now;
  while ((now = bench::Now()) < end) {
    int due = pacer.Due(kBatch, now);
    if (due == 0) continue;
    const bool counts = now >= counts_from;
    for (int i = 0; i < due; i++) batch.data[i][0] = counts ? kCounts : 0;
    int done = sendmmsg(fd, batch.messages, static_cast<unsigned>(due), 0);
    if (done < 0) {
      // What an ICMP error or a full device says concerns the datagram: it is lost, and counts.
      if (errno != ECONNREFUSED && errno != ENOBUFS && errno != EINTR) bench::Fail("sendmmsg");
      done = 1;
    }
    pacer.Done(done);
    if (counts) sent += done;
  }
  printf("{\"sent\":%lld,\"seconds\":%.6f}\n", static_cast<long long>(sent),
         static_cast<double>(bench::Now() - counts_from) / bench::kSecond);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "receive") == 0)
    return Receive(static_cast<uint16_t>(bench::Number(argv[2])));
  if (argc == 8 && strcmp(argv[1], "send") == 0) {
    return Send(bench::ParseAddress(argv[2], static_cast<uint16_t>(bench::Number(argv[3]))),
                static_cast<size_t>(bench::Number(argv[4])), bench::Number(argv[5]), bench::Number(argv[6]),
                bench::Number(argv[7]));
  }
  fprintf(stderr, "usage: udp_load receive PORT | send ADDRESS PORT BYTES RATE WARM_UP SECONDS\n");
  return 2;
}
