#pragma once
// Ways for datagrams where UDP is blocked: TLS over TCP, dialed by one end, accepted on a port of the other.
// Each is a path: to both ends the other one has the endpoint of its TCP socket, with an address that stands
// for a stream (IpAddress::swapped_for_stream). One poll of its own, which the data plane's waits for.
//
//   dial ──> connecting ──TLS──> open ──failed, silent, idle──> absent ──the next datagram──> connecting
//                                                                 └──nobody wants it any more──> forgotten
//   accepted ──TLS──> open ──failed, idle, no link──> forgotten
//
// Where this host is a TURN server, its clients are accepted too, over TCP with or without TLS; to tell their
// paths from those of links, the local address is not kStreamLocal, but stands for ours:
//
//   accepted ──what it says first is TURN──> client ──failed, no allocation, closed──> forgotten
//
// To TURN servers, over TCP with or without TLS, JavaScript dials, and hears when one is over; it is not made
// anew. Their local address is kTurnServerLocal: a member's stream may go to the same place.
//
//   dial ──> connecting ──TLS──> open ──failed, closed by either end──> forgotten
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "base/error.h"
#include "base/fd.h"
#include "net/address.h"
#include "stream/tls_context.h"
#include "stream/tls_stream.h"

namespace idloc {

class Streams {
 public:
  struct Options {
    // TCP; addresses as they are.
    std::vector<Endpoint> listen;
    // Sockets that listen already, for some of these addresses. They stay whose they are.
    std::vector<int> inherited;
    StreamGuise guise;
    StreamCertificate certificate;
    // Clients of this host as a TURN server are accepted.
    bool serves_turn = false;
    // That client's stream is over, whatever it had.
    std::function<void(const Path& client)> turn_left = [](const Path&) {};
    // One to a TURN server is over, for that reason; not when it was hung up.
    std::function<void(uint32_t id, std::string reason)> turn_ended = [](uint32_t, const std::string&) {};
  };
  struct TurnDial {
    uint32_t id;  // of whoever dials
    Endpoint remote;
    bool tls;
    std::string server_name;  // for SNI; empty: none
    SslContext context;       // of TLS; nullptr: as streams to members, or there is none, for this reason
    std::string problem;
  };
  // Asked of accepted ones now and then, and of dialed ones: whether a link goes by it, or a TURN client has
  // an allocation.
  using Used = std::function<bool(const Path& path, bool dialed)>;

  // Accepted at once, of all and of one address (IPv6: of one /64).
  static constexpr size_t kMostAccepted = 256;
  static constexpr size_t kMostOfAddress = 32;
  // TLS handshakes begun with strangers in a second.
  static constexpr uint32_t kMostPerSecond = 64;
  static constexpr size_t kMostDialed = 16;
  // To TURN servers.
  static constexpr size_t kMostTurn = 8;
  // For a link or an allocation to come about.
  static constexpr Nanoseconds kGrace = 15 * kSecond;
  // A dialed one that no link goes by.
  static constexpr Nanoseconds kDialedGrace = 60 * kSecond;

  explicit Streams(Counters* counters) : counters_(counters) {}

  Error Open(Options options);
  // Says goodbye. Idempotent.
  void Close();
  // What ShowCertificate is given. Any thread, between Open and Close.
  Error MakeServer(const StreamCertificate& certificate, SslContext* out) const {
    return MakeStreamServer(server_guise_, certificate, out);
  }
  // What is accepted from now on shows it; streams that there are stay as they are.
  void ShowCertificate(SslContext server) { server_ = std::move(server); }
  // To wait for: readable when Run has something to do.
  int fd() const { return epoll_.get(); }

  // A way to `remote` (which stands for a stream) is wanted: now, and whenever something is sent there. One
  // that is silent though it was spoken to is made anew.
  void Dial(const Endpoint& remote, Nanoseconds now);
  // To a TURN server; takes the place of an older one.
  void DialTurn(TurnDial dial, Nanoseconds now);
  // The one with this number, when what waits to be sent was given to TCP.
  void HangUp(uint32_t id);
  // Room for one datagram, for Queue; nullptr: too long. Borrowed until the next call.
  uint8_t* Room(size_t length) { return length <= kMaxTurnBytes ? room_.get() : nullptr; }
  // What was written there. False: it is dropped, which is counted.
  bool Queue(const Path& path, size_t length, bool urgent, Nanoseconds now);
  // Calls `deliver(const Path& path, Framing framing, uint8_t* datagram, size_t length)` for what came, which
  // may Queue and Dial.
  template <typename Deliver>
  void Run(Nanoseconds now, Deliver deliver) {
    std::vector<Path> ready;
    Poll(now, &ready);
    for (const Path& key : ready) {
      Stream* stream = Find(key);
      if (stream == nullptr || stream->tls == nullptr) continue;
      for (int i = 0; i < kReads; i++) {
        size_t length = ReadSocket(stream);
        if (length == 0) break;
        stream->tls->Receive(input_.get(), length, now, [&](uint8_t* datagram, size_t bytes) {
          counters_->Add(Counter::streamReceived);
          deliver(stream->path(), stream->tls->framing(), datagram, bytes);
        });
        if (length < kReadBytes) break;
      }
    }
  }
  // Gives TCP what waits.
  void Flush();
  // kNever: nothing waits for time to pass.
  Nanoseconds NextTimeout() const { return streams_.empty() ? kNever : sweep_at_; }
  void HandleTimeout(Nanoseconds now, const Used& used);
  // `exists`: of an address of this host.
  void NetworkChanged(const std::function<bool(const IpAddress&)>& exists);

  // Whether a client of this host as a TURN server is there.
  bool IsTurnClient(const Path& path) const {
    auto found = streams_.find({kStreamLocal, path.remote});
    return found != streams_.end() && found->second->is_turn_client() && found->second->path() == path;
  }

  size_t accepted() const { return accepted_; }
  // In the order of Options::listen.
  const std::vector<uint16_t>& ports() const { return ports_; }

 private:
  struct Stream {
    Endpoint remote;
    IpAddress local{};             // of an accepted one: what stands for it
    std::optional<uint32_t> turn;  // the number of whoever dialed that server
    bool dialed = false;
    Fd socket;  // none: it is dialed when something is to be sent
    bool connecting = false;
    bool watches_room = false;
    std::unique_ptr<TlsStream> tls;
    Nanoseconds since = 0;       // accepted, or last used by a link
    Nanoseconds spoken_at = 0;   // since it was last heard something was sent to it; 0: not
    Nanoseconds not_before = 0;  // dialing again
    Nanoseconds pause = 0;

    bool is_turn_client() const { return !dialed && tls != nullptr && tls->framing() == Framing::kTurn; }
    Path path() const { return is_turn_client() ? Path{local, remote} : key(); }
    // Under which it is kept: what an accepted one is, is not known from the beginning.
    Path key() const { return {turn.has_value() ? kTurnServerLocal : kStreamLocal, remote}; }
  };
  static constexpr size_t kMostWaiting = 16 * 1024 * 1024;
  static constexpr size_t kLeastShare = 32 * 1024;
  static constexpr size_t kReadBytes = 64 * 1024;
  static constexpr int kReads = 2;
  static constexpr int kAcceptsAtOnce = 16;
  static constexpr Nanoseconds kSweep = 2 * kSecond;
  static constexpr Nanoseconds kSilence = 3 * kSecond;
  static constexpr Nanoseconds kFirstPause = kSecond;
  static constexpr Nanoseconds kLongestPause = 30 * kSecond;

  Stream* Find(const Path& key);
  Error Listen(const Endpoint& local);
  void Poll(Nanoseconds now, std::vector<Path>* ready);
  void Accept(int listener, Nanoseconds now);
  bool MayAccept(const IpAddress& address, Nanoseconds now);
  void Connect(Stream* stream, std::unique_ptr<TlsStream> tls, Nanoseconds now);
  std::unique_ptr<TlsStream> MakeClient(Nanoseconds now, Framing framing = Framing::kLength) const;
  std::unique_ptr<TlsStream> MakeTurnClient(const TurnDial& dial, Nanoseconds now) const;
  static void Prepare(int fd);
  static void KeepAlive(int fd);
  bool Watch(Stream* stream, bool room);
  // 0: nothing is there.
  size_t ReadSocket(Stream* stream);
  void Write(Stream* stream);
  // Its socket goes; one that was dialed stays wanted, but for those to TURN servers, of which this is told.
  void End(Stream* stream, Nanoseconds now, std::string reason = {});

  Counters* counters_;  // borrowed: the data plane owns both
  Options options_;
  StreamGuise server_guise_;  // with ALPN for TURN; contexts borrow it
  SslContext client_;
  SslContext server_;
  Fd epoll_;
  std::vector<Fd> listeners_;
  std::vector<uint16_t> ports_;
  std::unordered_map<Path, std::unique_ptr<Stream>, PathHash> streams_;  // by key
  std::unordered_map<int, Path> by_fd_;
  std::unordered_map<IpAddress, size_t, AddressHash> of_address_;
  size_t accepted_ = 0;
  size_t turn_ = 0;
  uint32_t begun_ = 0;
  Nanoseconds begun_since_ = 0;
  std::vector<Path> dirty_;  // with something to write, or to end
  std::unique_ptr<uint8_t[]> room_;
  std::unique_ptr<uint8_t[]> input_;
  Nanoseconds sweep_at_ = kNever;
  Nanoseconds now_ = 0;
};

}  // namespace idloc
