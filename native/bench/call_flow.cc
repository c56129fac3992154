// One end of a call that is watched while hosts move: 50 datagrams a second to the other end, or none (who
// only listens), and what came from there; beside it a TCP stream, which the end that serves it fills at a
// steady rate.
//   call_flow PORT ADDRESS send|silent serve|fetch|no-stream
// Both ends use the same port. On stdin `look`: answered by {"nowMs", "heardMs", "streamMs"}, when something
// came last, of the monotonic clock, which all namespaces share; null: nothing yet. On `end` it
// prints {"sentMs": [...], "heard": [[NUMBER, MS], ...], "streamMs": [...]}: when each datagram was sent,
// which came when, when the stream brought something.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tool.h"

namespace {

constexpr int64_t kInterval = 20 * bench::kMillisecond;
constexpr size_t kBytes = 172;           // an RTP header and 20 ms of G.711 (RFC 3551)
constexpr int kExpedited = 46;           // DSCP, RFC 3246
constexpr size_t kStreamBytes = 20'000;  // in each interval: 8 Mb/s
constexpr int64_t kStreamGrain = 5 * bench::kMillisecond;
constexpr int64_t kConnectAgain = 500 * bench::kMillisecond;

enum class Stream { kNone, kServe, kFetch };

double ToMs(int64_t ns) { return static_cast<double>(ns) / bench::kMillisecond; }

class CallFlow {
 public:
  CallFlow(uint16_t port, const char* address, bool sends, Stream stream)
      : peer_(bench::ParseAddress(address, port)),
        sends_(sends),
        stream_(stream),
        socket_(bench::BoundSocket(port)) {
    if (peer_.family() == AF_INET) {
      // The socket is of both families.
      peer_ = bench::ParseAddress((std::string("::ffff:") + address).c_str(), port);
    }
    stream_peer_ = bench::ParseAddress(address, port);
    bench::Mark(socket_, AF_INET6, kExpedited);
    if (stream == Stream::kServe) Listen(port);
  }

  int Run() {
    bench::PreciseTimers();
    printf("ready\n");
    fflush(stdout);
    int64_t due = bench::Now();
    for (;;) {
      const int64_t now = bench::Now();
      if (now >= due) {
        if (sends_) Speak(now);
        Fill();
        if (stream_ == Stream::kFetch && connection_ < 0 && now >= connect_again_) Connect(now);
        due += kInterval;
        continue;
      }
      const timespec wait = bench::ToTimespec(due - now);
      const bool fetches = stream_ == Stream::kFetch;
      pollfd waiting[] = {
          {STDIN_FILENO, POLLIN, 0}, {socket_, POLLIN, 0}, {fetches ? connection_ : listener_, POLLIN, 0}};
      if (ppoll(waiting, 3, &wait, nullptr) <= 0) continue;
      if (waiting[1].revents != 0) Hear();
      if (waiting[2].revents != 0) fetches ? Fetch() : Accept();
      if (waiting[0].revents != 0 && !Look()) return Tell();
    }
  }

 private:
  struct Heard {
    uint64_t number;
    int64_t at;
  };

  void Speak(int64_t now) {
    uint8_t data[kBytes]{};
    const uint64_t number = sent_.size();
    memcpy(data, &number, sizeof number);
    sent_.push_back(now);
    // Without a way there it is lost, as a phone's packets are.
    sendto(socket_, data, sizeof data, 0, peer_.get(), peer_.length);
  }

  void Hear() {
    uint8_t data[kBytes + 1];
    const ssize_t length = recv(socket_, data, sizeof data, MSG_DONTWAIT);
    if (length != static_cast<ssize_t>(kBytes)) return;
    Heard heard{0, bench::Now()};
    memcpy(&heard.number, data, sizeof heard.number);
    heard_.push_back(heard);
  }

  void Listen(uint16_t port) {
    listener_ = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, off = 0;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener_, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    const bench::Address any = bench::ParseAddress("::", port);
    if (bind(listener_, any.get(), any.length) != 0 || listen(listener_, 4) != 0) bench::Fail("listen");
  }

  void Accept() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (connection_ >= 0) close(connection_);
    connection_ = fd;
  }

  void Fill() {
    if (stream_ != Stream::kServe || connection_ < 0) return;
    static const uint8_t data[kStreamBytes]{};
    if (send(connection_, data, sizeof data, MSG_NOSIGNAL) >= 0 || errno == EAGAIN) return;
    close(connection_);
    connection_ = -1;
  }

  void Connect(int64_t now) {
    connect_again_ = now + kConnectAgain;
    connection_ = socket(stream_peer_.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection_ < 0) bench::Fail("socket");
    if (connect(connection_, stream_peer_.get(), stream_peer_.length) != 0 && errno != EINPROGRESS) {
      close(connection_);
      connection_ = -1;
    }
  }

  void Fetch() {
    static uint8_t data[1 << 16];
    const ssize_t length = recv(connection_, data, sizeof data, 0);
    if (length > 0) {
      const int64_t now = bench::Now();
      if (fetched_.empty() || now - fetched_.back() >= kStreamGrain) fetched_.push_back(now);
    } else if (length == 0 || errno != EAGAIN) {
      // Whoever listens may not have begun.
      close(connection_);
      connection_ = -1;
    }
  }

  /** @returns false: it is over */
  bool Look() {
    char text[256];
    const ssize_t length = read(STDIN_FILENO, text, sizeof text);
    if (length <= 0 || std::string(text, static_cast<size_t>(length)).starts_with("end")) return false;
    printf("{\"nowMs\":%.3f,\"heardMs\":", ToMs(bench::Now()));
    heard_.empty() ? printf("null") : printf("%.3f", ToMs(heard_.back().at));
    printf(",\"streamMs\":");
    fetched_.empty() ? printf("null}\n") : printf("%.3f}\n", ToMs(fetched_.back()));
    fflush(stdout);
    return true;
  }

  int Tell() const {
    printf("{\"sentMs\":[");
    for (size_t i = 0; i < sent_.size(); i++) printf("%s%.3f", i == 0 ? "" : ",", ToMs(sent_[i]));
    printf("],\"heard\":[");
    for (size_t i = 0; i < heard_.size(); i++) {
      printf("%s[%llu,%.3f]", i == 0 ? "" : ",", static_cast<unsigned long long>(heard_[i].number),
             ToMs(heard_[i].at));
    }
    printf("],\"streamMs\":[");
    for (size_t i = 0; i < fetched_.size(); i++) printf("%s%.3f", i == 0 ? "" : ",", ToMs(fetched_[i]));
    printf("]}\n");
    return 0;
  }

  bench::Address peer_;
  bench::Address stream_peer_;
  bool sends_;
  Stream stream_;
  int socket_;
  int listener_ = -1;
  int connection_ = -1;
  int64_t connect_again_ = 0;
  std::vector<int64_t> sent_;  // when each was
  std::vector<Heard> heard_;
  std::vector<int64_t> fetched_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string sends = argc == 5 ? argv[3] : "";
  const std::string stream = argc == 5 ? argv[4] : "";
  const bool is_known = (sends == "send" || sends == "silent") &&
                        (stream == "serve" || stream == "fetch" || stream == "no-stream");
  if (!is_known) {
    fprintf(stderr, "usage: call_flow PORT ADDRESS send|silent serve|fetch|no-stream\n");
    return 2;
  }
  CallFlow flow(static_cast<uint16_t>(bench::Number(argv[1])), argv[2], sends == "send",
                stream == "serve"   ? Stream::kServe
                : stream == "fetch" ? Stream::kFetch
                                    : Stream::kNone);
  return flow.Run();
}
