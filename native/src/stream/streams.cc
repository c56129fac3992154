#include "stream/streams.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/bound_socket.h"
#include "net/sockaddr.h"

namespace idloc {

namespace {

// Less in the kernel is less in front of what is urgent.
constexpr int kUnsentBytes = 16 * 1024;
// Nothing acknowledged for so long: the path is gone.
constexpr unsigned kUserTimeoutMs = 15'000;
constexpr int kBacklog = 64;
// Of a TURN server or client, which says nothing of itself for minutes: TCP asks for a sign of life, which
// keeps NATs open too.
constexpr int kKeepAliveSeconds = 25;
constexpr int kKeepAliveAgainSeconds = 5;
constexpr char kNoAnswer[] = "it does not answer";

// A duplicate of the socket among these that listens there already, which whoever made it had the privilege
// for.
Fd Inherited(const std::vector<int>& sockets, const Endpoint& local) {
  for (int fd : sockets) {
    if (ListensAt(fd) != local) continue;
    Fd out(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (out.valid() && fcntl(out.get(), F_SETFL, fcntl(out.get(), F_GETFL) | O_NONBLOCK) == 0) return out;
  }
  return {};
}

bool MakeListener(const Endpoint& local, Fd* out) {
  sockaddr_storage address;
  socklen_t length = ToSockaddr(local, &address);
  Fd fd(socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int on = 1;
  bool made = fd.valid() && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
  if (made && address.ss_family == AF_INET6)
    made = setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
  // At boot the address may come later: it is waited for.
  if (address.ss_family == AF_INET6) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on);
  } else {
    setsockopt(fd.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
  }
  made = made && bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) == 0 &&
         listen(fd.get(), kBacklog) == 0;
  if (made) *out = std::move(fd);
  return made;
}

Endpoint Swapped(const Endpoint& endpoint) { return {endpoint.address.swapped_for_stream(), endpoint.port}; }

// Whoever has one address of an IPv6 network has all of it.
IpAddress NetworkOf(const IpAddress& address) {
  IpAddress out = address;
  if (!address.is_v4()) std::fill(out.bytes.begin() + 8, out.bytes.end(), 0);
  return out;
}

}  // namespace

Error Streams::Open(Options options) {
  options_ = std::move(options);
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return {"no_poll", "cannot wait for streams; check the limit of open files"};
  room_ = std::make_unique_for_overwrite<uint8_t[]>(kMaxTurnBytes);
  input_ = std::make_unique_for_overwrite<uint8_t[]>(kReadBytes);
  Error error = MakeStreamClient(options_.guise, &client_);
  server_guise_ = options_.guise;
  if (options_.serves_turn) server_guise_.alpn.emplace_back(kTurnProtocol);
  if (!error.failed() && !options_.listen.empty()) error = MakeServer(options_.certificate, &server_);
  for (const Endpoint& local : options_.listen) {
    if (!error.failed()) error = Listen(local);
  }
  if (error.failed()) Close();
  return error;
}

Error Streams::Listen(const Endpoint& local) {
  Fd fd = Inherited(options_.inherited, local);
  bool made = fd.valid() || MakeListener(local, &fd);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd.get();
  sockaddr_storage address;
  socklen_t length = sizeof address;
  made = made && getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
         epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) == 0;
  if (!made) {
    int reason = errno;
    std::string what = "cannot listen for streams on " + local.address.ToString() + " port " +
                       std::to_string(local.port) + ": " + std::strerror(reason);
    if (reason == EACCES)
      return {"EACCES", what + "; enable idloc-stream.socket, or choose a port from 1024 on"};
    return {reason == EADDRINUSE ? "EADDRINUSE" : "bad_stream", what + "; choose another port or address"};
  }
  ports_.push_back(FromSockaddr(address).port);
  listeners_.push_back(std::move(fd));
  return {};
}

void Streams::Close() {
  for (auto& [key, stream] : streams_) {
    if (stream->tls == nullptr || stream->connecting) continue;
    Write(stream.get());
    stream->tls->Close();
    Write(stream.get());
  }
  streams_.clear();
  by_fd_.clear();
  of_address_.clear();
  dirty_.clear();
  listeners_.clear();
  ports_.clear();
  accepted_ = turn_ = 0;
  epoll_ = {};
}

Streams::Stream* Streams::Find(const Path& key) {
  auto found = streams_.find(key);
  return found == streams_.end() ? nullptr : found->second.get();
}

void Streams::Dial(const Endpoint& remote, Nanoseconds now) {
  const IpAddress real = remote.address.swapped_for_stream();
  if (!epoll_.valid() || !remote.address.is_stream() || real.is_hit() || real.unset() || remote.port == 0)
    return;
  Stream* stream = Find({kStreamLocal, remote});
  if (stream == nullptr) {
    size_t dialed = streams_.size() - accepted_ - turn_;
    if (dialed >= kMostDialed) {
      counters_->Add(Counter::dropStreamRefused);
      return;
    }
    auto made = std::make_unique<Stream>();
    made->remote = remote;
    made->dialed = true;
    if (streams_.empty()) sweep_at_ = now + kSweep;
    const Path key = made->key();
    stream = streams_.emplace(key, std::move(made)).first->second.get();
  }
  if (!stream->dialed) return;
  stream->since = now;
  bool silent = stream->socket.valid() && !stream->connecting && stream->spoken_at != 0 &&
                now - stream->spoken_at > kSilence;
  if (silent) End(stream, now);
  stream->not_before = std::min(stream->not_before, now);
  if (!stream->socket.valid()) Connect(stream, MakeClient(now), now);
}

void Streams::DialTurn(TurnDial dial, Nanoseconds now) {
  const IpAddress real = dial.remote.address.swapped_for_stream();
  if (dial.problem.empty() && (!dial.remote.address.is_stream() || real.is_hit() || real.unset() ||
                               dial.remote.port == 0 || turn_ >= kMostTurn))
    dial.problem = "it is no place to dial, or one too many";
  if (!epoll_.valid()) return;
  if (!dial.problem.empty()) {
    options_.turn_ended(dial.id, dial.problem);
    return;
  }
  const Path key{kTurnServerLocal, dial.remote};
  if (Stream* old = Find(key); old != nullptr) End(old, now);
  if (streams_.empty()) sweep_at_ = now + kSweep;
  auto made = std::make_unique<Stream>();
  made->remote = dial.remote;
  made->dialed = true;
  made->turn = dial.id;
  made->since = now;
  turn_++;
  Stream* stream = streams_.emplace(key, std::move(made)).first->second.get();
  Connect(stream, MakeTurnClient(dial, now), now);
}

void Streams::HangUp(uint32_t id) {
  auto found = std::find_if(streams_.begin(), streams_.end(),
                            [id](const auto& entry) { return entry.second->turn == id; });
  if (found == streams_.end()) return;
  Stream* stream = found->second.get();
  if (!stream->connecting) {
    Write(stream);
    stream->tls->Close();
    Write(stream);
  }
  by_fd_.erase(stream->socket.get());
  counters_->Add(Counter::streamsEnded);
  turn_--;
  streams_.erase(found);
}

std::unique_ptr<TlsStream> Streams::MakeClient(Nanoseconds now, Framing framing) const {
  return TlsStream::Create(client_.get(), false, options_.guise.server_name, now, framing);
}

std::unique_ptr<TlsStream> Streams::MakeTurnClient(const TurnDial& dial, Nanoseconds now) const {
  if (!dial.tls) return TlsStream::CreatePlain(Framing::kTurn, now);
  // A member: the secrets of the link with it vouch for every message (RFC 8489 s9.2), and no certificate.
  if (dial.context == nullptr) return MakeClient(now, Framing::kTurn);
  return TlsStream::Create(dial.context.get(), false, dial.server_name, now, Framing::kTurn);
}

void Streams::Connect(Stream* stream, std::unique_ptr<TlsStream> tls, Nanoseconds now) {
  sockaddr_storage address;
  socklen_t length = ToSockaddr(Swapped(stream->remote), &address);
  stream->pause = std::clamp(2 * stream->pause, kFirstPause, kLongestPause);
  stream->not_before = now + stream->pause;
  stream->spoken_at = 0;
  stream->socket = Fd(socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!stream->socket.valid()) {
    if (stream->turn.has_value()) End(stream, now, std::strerror(errno));
    return;
  }
  int fd = stream->socket.get();
  Prepare(fd);
  if (stream->turn.has_value()) KeepAlive(fd);
  int failure = connect(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 ? EINPROGRESS : errno;
  stream->connecting = true;
  stream->tls = std::move(tls);
  by_fd_[fd] = stream->key();
  if (failure != EINPROGRESS || stream->tls == nullptr || !Watch(stream, true)) {
    End(stream, now, failure != EINPROGRESS ? std::strerror(failure) : "a stream cannot be made");
    return;
  }
  counters_->Add(Counter::streamsDialed);
}

void Streams::Prepare(int fd) {
  // What fails makes a stream slower, and no worse.
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytes, sizeof kUnsentBytes);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs, sizeof kUserTimeoutMs);
}

void Streams::KeepAlive(int fd) {
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kKeepAliveSeconds, sizeof kKeepAliveSeconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kKeepAliveAgainSeconds, sizeof kKeepAliveAgainSeconds);
}

bool Streams::Watch(Stream* stream, bool room) {
  epoll_event event{};
  event.events = static_cast<uint32_t>(room ? EPOLLIN | EPOLLOUT : EPOLLIN);
  event.data.fd = stream->socket.get();
  stream->watches_room = room;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, event.data.fd, &event) == 0) return true;
  return errno == ENOENT && epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, event.data.fd, &event) == 0;
}

bool Streams::Queue(const Path& path, size_t length, bool urgent, Nanoseconds now) {
  const Path key{path.local == kTurnServerLocal ? kTurnServerLocal : kStreamLocal, path.remote};
  Stream* stream = Find(key);
  if (stream != nullptr && stream->dialed && !stream->socket.valid() && now >= stream->not_before)
    Connect(stream, MakeClient(now), now);
  if (stream == nullptr || stream->tls == nullptr) {
    counters_->Add(Counter::dropNoStream);
    return false;
  }
  // Together they hold no more than twice that.
  size_t share = std::clamp(kMostWaiting / streams_.size(), kLeastShare, TlsStream::kMostBulkBytes);
  if (!stream->tls->Queue(room_.get(), length, urgent, share)) {
    counters_->Add(Counter::dropStreamFull);
    return false;
  }
  counters_->Add(Counter::streamSent);
  if (stream->spoken_at == 0) stream->spoken_at = now;
  if (!stream->connecting && !stream->watches_room) dirty_.push_back(key);
  return true;
}

void Streams::Poll(Nanoseconds now, std::vector<Path>* ready) {
  now_ = now;
  epoll_event events[64];
  int count = epoll_wait(epoll_.get(), events, 64, 0);
  for (int i = 0; i < count; i++) {
    int fd = events[i].data.fd;
    if (std::any_of(listeners_.begin(), listeners_.end(), [fd](const Fd& l) { return l.get() == fd; })) {
      Accept(fd, now);
      continue;
    }
    auto found = by_fd_.find(fd);
    Stream* stream = found == by_fd_.end() ? nullptr : Find(found->second);
    if (stream == nullptr) continue;
    if (stream->connecting && (events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
      int error = 0;
      socklen_t length = sizeof error;
      if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) {
        End(stream, now, std::strerror(error));
        continue;
      }
      stream->connecting = false;
      stream->tls->Start();
    }
    if ((events[i].events & EPOLLOUT) != 0) Write(stream);
    dirty_.push_back(stream->key());
    if ((events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) ready->push_back(stream->key());
  }
}

bool Streams::MayAccept(const IpAddress& address, Nanoseconds now) {
  if (now - begun_since_ >= kSecond) {
    begun_since_ = now;
    begun_ = 0;
  }
  auto found = of_address_.find(NetworkOf(address));
  size_t same = found == of_address_.end() ? 0 : found->second;
  if (accepted_ >= kMostAccepted || same >= kMostOfAddress || begun_ >= kMostPerSecond) return false;
  begun_++;
  return true;
}

void Streams::Accept(int listener, Nanoseconds now) {
  for (int i = 0; i < kAcceptsAtOnce; i++) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    Fd fd(accept4(listener, reinterpret_cast<sockaddr*>(&address), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) return;
    Endpoint real = FromSockaddr(address);
    Endpoint remote = Swapped(real);
    const Path key{kStreamLocal, remote};
    length = sizeof address;
    if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) continue;
    IpAddress local = FromSockaddr(address).address.swapped_for_stream();
    // Its port may be of one that we know to be gone, and have not looked at since.
    if (Stream* old = Find(key); old != nullptr && !old->dialed) End(old, now);
    if (!remote.address.is_stream() || !local.is_stream() || Find(key) != nullptr ||
        !MayAccept(real.address, now)) {
      counters_->Add(Counter::dropStreamRefused);
      continue;
    }
    auto stream = std::make_unique<Stream>();
    stream->remote = remote;
    stream->local = local;
    stream->since = now;
    stream->tls = TlsStream::CreateAccepted(server_.get(), options_.serves_turn, now);
    Prepare(fd.get());
    // TURN clients say nothing for minutes, and their allocations end with them.
    if (options_.serves_turn) KeepAlive(fd.get());
    stream->socket = std::move(fd);
    if (stream->tls == nullptr || !Watch(stream.get(), false)) continue;
    by_fd_[stream->socket.get()] = key;
    of_address_[NetworkOf(real.address)]++;
    accepted_++;
    counters_->Add(Counter::streamsAccepted);
    if (streams_.empty()) sweep_at_ = now + kSweep;
    streams_.emplace(key, std::move(stream));
  }
}

size_t Streams::ReadSocket(Stream* stream) {
  ssize_t length = recv(stream->socket.get(), input_.get(), kReadBytes, 0);
  if (length > 0) {
    stream->spoken_at = 0;
    if (stream->tls->state() == TlsStream::State::kOpen) stream->pause = 0;
    return static_cast<size_t>(length);
  }
  if (length == 0) {
    stream->tls->Close("it has closed the connection");
  } else if (errno != EAGAIN && errno != EINTR) {
    stream->tls->Close(std::strerror(errno));
  }
  return 0;
}

void Streams::Write(Stream* stream) {
  for (;;) {
    size_t length = 0;
    const uint8_t* data = stream->tls->Output(&length);
    if (length == 0) break;
    ssize_t sent = send(stream->socket.get(), data, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      if (errno != EAGAIN) {
        stream->tls->Close(std::strerror(errno));
      } else if (!stream->watches_room) {
        Watch(stream, true);
      }
      return;
    }
    stream->tls->Sent(static_cast<size_t>(sent));
  }
  if (stream->watches_room) Watch(stream, false);
}

void Streams::Flush() {
  for (const Path& key : std::exchange(dirty_, {})) {
    Stream* stream = Find(key);
    if (stream == nullptr || stream->tls == nullptr || stream->connecting) continue;
    Write(stream);
    if (stream->tls->state() == TlsStream::State::kClosed) End(stream, now_, stream->tls->reason());
  }
}

void Streams::End(Stream* stream, Nanoseconds now, std::string reason) {
  const bool is_client = stream->is_turn_client();
  const Path path = stream->path();
  if (stream->socket.valid()) {
    by_fd_.erase(stream->socket.get());
    counters_->Add(Counter::streamsEnded);
  }
  stream->socket = {};
  stream->tls = nullptr;
  stream->connecting = stream->watches_room = false;
  stream->spoken_at = 0;
  if (stream->turn.has_value()) {
    uint32_t id = *stream->turn;
    turn_--;
    streams_.erase(stream->key());
    options_.turn_ended(id, reason.empty() ? "it has closed the connection" : std::move(reason));
    return;
  }
  if (stream->dialed) {
    stream->not_before = std::max(stream->not_before, now);
    return;
  }
  auto count = of_address_.find(NetworkOf(stream->remote.address.swapped_for_stream()));
  if (count != of_address_.end() && --count->second == 0) of_address_.erase(count);
  accepted_--;
  streams_.erase(stream->key());
  if (is_client) options_.turn_left(path);
}

void Streams::HandleTimeout(Nanoseconds now, const Used& used) {
  now_ = now;
  if (now < sweep_at_) return;
  sweep_at_ = now + kSweep;
  std::vector<Path> over;
  std::vector<Path> unwanted;
  for (auto& [key, stream] : streams_) {
    if (stream->turn.has_value() || used(stream->path(), stream->dialed)) stream->since = now;
    bool unused = now - stream->since >= (stream->dialed ? kDialedGrace : kGrace);
    if (stream->dialed && unused) unwanted.push_back(key);
    if (stream->tls != nullptr && (unused || now >= stream->tls->deadline())) over.push_back(key);
  }
  for (const Path& key : over) {
    Stream* stream = Find(key);
    if (!stream->connecting) {
      stream->tls->Close();
      Write(stream);
    }
    End(stream, now, kNoAnswer);
  }
  for (const Path& key : unwanted) streams_.erase(key);
}

void Streams::NetworkChanged(const std::function<bool(const IpAddress&)>& exists) {
  std::vector<Path> lost;
  for (auto& [key, stream] : streams_) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (!stream->dialed) continue;
    if (!stream->socket.valid()) {
      stream->pause = stream->not_before = 0;
      continue;
    }
    if (getsockname(stream->socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) continue;
    if (exists(FromSockaddr(address).address)) continue;
    stream->pause = stream->not_before = 0;
    lost.push_back(key);
  }
  for (const Path& key : lost) End(Find(key), 0, "our address is gone");
}

}  // namespace idloc
