// A flow with the rhythm of a call, and its way there and back:
//   echo_flow serve PORT DSCP                                until it is ended
//   echo_flow call ADDRESS PORT DSCP BYTES INTERVAL_MS COUNT
//   echo_flow first ADDRESS PORT LIMIT_MS
// `first` sends every 100 ms until one comes back and prints {"ms"}, from the first one sent; null: none did.
// `call` prints {"sent", "rttMs": [...]}, the times of those that came back, in order of arrival.
#include <poll.h>

#include <vector>

#include "tool.h"

namespace {

constexpr size_t kLargest = 1500;                // bytes
constexpr int64_t kLinger = 2 * bench::kSecond;  // later answers are lost
constexpr int64_t kFirstInterval = 100 * bench::kMillisecond;

struct Header {
  uint64_t number;
  int64_t sent_at;  // ns
};

int Serve(uint16_t port, int dscp) {
  int fd = bench::BoundSocket(port);
  bench::Mark(fd, AF_INET6, dscp);
  printf("ready\n");
  fflush(stdout);
  uint8_t data[kLargest];
  for (;;) {
    bench::Address from;
    from.length = sizeof from.storage;
    ssize_t length =
        recvfrom(fd, data, sizeof data, 0, reinterpret_cast<sockaddr*>(&from.storage), &from.length);
    if (length > 0) sendto(fd, data, static_cast<size_t>(length), 0, from.get(), from.length);
  }
}

int Call(const bench::Address& to, int dscp, size_t bytes, int64_t interval, uint64_t count) {
  if (bytes < sizeof(Header) || bytes > kLargest) return 2;
  int fd = bench::UdpSocket(to.family());
  bench::Mark(fd, to.family(), dscp);
  if (connect(fd, to.get(), to.length) != 0) bench::Fail("connect");
  bench::PreciseTimers();
  uint8_t data[kLargest]{};
  std::vector<bool> answered(count);
  std::vector<double> round_trips;
  round_trips.reserve(count);
  const int64_t start = bench::Now();
  uint64_t sent = 0;
  for (;;) {
    int64_t now = bench::Now();
    const int64_t due = start + static_cast<int64_t>(sent) * interval;
    const bool all_sent = sent == count;
    if (all_sent && (round_trips.size() == count || now >= due + kLinger)) break;
    if (!all_sent && now >= due) {
      Header header{sent, now};
      memcpy(data, &header, sizeof header);
      if (send(fd, data, bytes, 0) < 0 && errno != ECONNREFUSED && errno != ENOBUFS) bench::Fail("send");
      sent++;
      continue;
    }
    timespec wait = bench::ToTimespec((all_sent ? due + kLinger : due) - now);
    pollfd waiting{fd, POLLIN, 0};
    if (ppoll(&waiting, 1, &wait, nullptr) <= 0) continue;
    ssize_t length = recv(fd, data, sizeof data, 0);
    now = bench::Now();
    if (length != static_cast<ssize_t>(bytes)) continue;
    Header header;
    memcpy(&header, data, sizeof header);
    if (header.number >= count || answered[header.number]) continue;
    answered[header.number] = true;
    round_trips.push_back(static_cast<double>(now - header.sent_at) / bench::kMillisecond);
  }
  printf("{\"sent\":%llu,\"rttMs\":[", static_cast<unsigned long long>(sent));
  for (size_t i = 0; i < round_trips.size(); i++) printf(i == 0 ? "%.4f" : ",%.4f", round_trips[i]);
  printf("]}\n");
  return 0;
}

int First(const bench::Address& to, int64_t limit) {
  int fd = bench::UdpSocket(to.family());
  if (connect(fd, to.get(), to.length) != 0) bench::Fail("connect");
  const int64_t start = bench::Now();
  int64_t due = start;
  for (;;) {
    const int64_t now = bench::Now();
    if (now >= start + limit) break;
    uint8_t data[kLargest];
    if (now >= due) {
      // Refused by whoever does not listen yet, or nothing leads there yet: as a phone, it tries again.
      send(fd, "first", 5, 0);
      due += kFirstInterval;
    }
    timespec wait = bench::ToTimespec(std::min(due, start + limit) - now);
    pollfd waiting{fd, POLLIN, 0};
    if (ppoll(&waiting, 1, &wait, nullptr) <= 0 || recv(fd, data, sizeof data, 0) < 0) continue;
    printf("{\"ms\":%.4f}\n", static_cast<double>(bench::Now() - start) / bench::kMillisecond);
    return 0;
  }
  printf("{\"ms\":null}\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "serve") == 0) {
    return Serve(static_cast<uint16_t>(bench::Number(argv[2])), static_cast<int>(bench::Number(argv[3])));
  }
  if (argc == 8 && strcmp(argv[1], "call") == 0) {
    return Call(bench::ParseAddress(argv[2], static_cast<uint16_t>(bench::Number(argv[3]))),
                static_cast<int>(bench::Number(argv[4])), static_cast<size_t>(bench::Number(argv[5])),
                static_cast<int64_t>(bench::Number(argv[6]) * bench::kMillisecond),
                static_cast<uint64_t>(bench::Number(argv[7])));
  }
  if (argc == 5 && strcmp(argv[1], "first") == 0) {
    return First(bench::ParseAddress(argv[2], static_cast<uint16_t>(bench::Number(argv[3]))),
                 static_cast<int64_t>(bench::Number(argv[4]) * bench::kMillisecond));
  }
  fprintf(stderr,
          "usage: echo_flow serve PORT DSCP | call ADDRESS PORT DSCP BYTES INTERVAL_MS COUNT | "
          "first ADDRESS PORT LIMIT_MS\n");
  return 2;
}
