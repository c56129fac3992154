// From a ClientHello or a path to a connected link, and the end of links.
//
//   ClientHello from a bound remote, link not started ........... answered at once: ICE proved the address
//   ... the same client random again ............................ a retransmission: OpenSSL's business
//   ... a later piece of one that began a handshake there ....... OpenSSL's business too
//   ... from anyone else, or from a peer that began anew ........ stateless cookie; then a new link
//   ("incoming")
//   ... from the one whom we dial at this moment ................ one of the two gives way: see Yields
//
// One handshake at a time on a pair of addresses, and both ends let the same one live: of two ClientHellos
// that cross, the one with the greater random. So nothing else may end a client there: a server's end that
// waits does not take its address (LinkTable::Bind), and a client does not begin where the peer's is under
// way (IsCalledFrom).
#include <algorithm>
#include <utility>

#include "data_plane/data_plane.h"
#include "net/ecn.h"

namespace idloc {

void DataPlane::SendFlight(void* owner, const uint8_t* data, size_t length) {
  auto* self = static_cast<DataPlane*>(owner);
  if (self->rekey_link_ != nullptr) {
    self->SendRekeyFlight(data, length);
    return;
  }
  if (self->flight_path_ == nullptr || length > self->flight_limit_) return;
  self->counters_->Add(self->flight_limit_ == kNoFlightLimit ? Counter::handshakeSent : Counter::cookiesSent);
  if (!self->SendVia(*self->flight_path_, data, length)) self->counters_->Add(Counter::dropSendFailed);
}

std::unique_ptr<DtlsSession> DataPlane::MakeSession(bool server) {
  if (ssl_context_ == nullptr) return nullptr;
  ConnectionId id;
  bool named = options_.connection_ids && DrawConnectionId(&id);
  return DtlsSession::Create(ssl_context_.get(), server, named ? &id : nullptr, SendFlight, this);
}

bool DataPlane::StartSession(Link* link) {
  link->session = MakeSession(link->server);
  if (link->session == nullptr) {
    counters_->Add(Counter::dropNoCredentials);
    EndLink(link, "no credentials were set before the handshake");
    return false;
  }
  links_.Name(link);
  BeginHandshake(link);
  return true;
}

void DataPlane::BeginHandshake(Link* link) {
  link->started_at = now_;
  handshaking_.push_back(link->id);
  counters_->Add(Counter::handshakesStarted);
}

void DataPlane::StartClient(Link* link) {
  if (!StartSession(link)) return;
  {
    FlightScope scope(this, *link->path, kNoFlightLimit);
    link->session->Start();
  }
  AfterHandshakeStep(link);
}

void DataPlane::HandleClientHello(LinkTable::Binding* binding, const RecordView& record, const Path& path) {
  Link* link = binding == nullptr ? nullptr : binding->link;
  ClientHelloView hello;
  if (IsLaterPiece(record)) {
    // The first one has told whose handshake it is. A client's end would take it for an answer.
    if (link != nullptr && link->server) {
      ContinueHandshake(link, record, path);
    } else {
      counters_->Add(Counter::dropUnboundHandshake);
    }
    return;
  }
  if (!ParseClientHello(record, &hello)) {
    counters_->Add(Counter::dropBadRecord);
    return;
  }
  // A client that has not begun stands in nobody's way.
  if (link == nullptr || (!link->server && link->session == nullptr)) {
    Listen(record, path);
    return;
  }
  if (link->session == nullptr && link->server) {
    // Our listener sent a cookie before this remote was bound: the handshake goes on where that left off. A
    // first ClientHello is then one that was under way meanwhile; its client takes no other answer.
    if (hello.has_cookie || WasAskedForCookie(path.remote, now_ - kCookieAnswerTime)) {
      Listen(record, path, link);
    } else if (StartSession(link)) {
      ContinueHandshake(link, record, path);
    }
    return;
  }
  bool repeated = link->server && link->session->HasClientRandom(hello.random);
  if (repeated && !link->connected) {
    ContinueHandshake(link, record, path);
  } else if (repeated || (!link->server && !link->connected && !Yields(link, hello, path.remote))) {
    counters_->Add(Counter::dropStaleHandshake);
  } else {
    LinkId yielding = link->server || link->connected ? 0 : link->id;
    if (!Listen(record, path)) return;
    // The cookie has proved that the ClientHello is no stranger's.
    if (link = links_.Find(yielding); link != nullptr) EndLink(link, kYielded);
  }
}

bool DataPlane::Yields(Link* link, const ClientHelloView& hello, const Endpoint& remote) {
  if (link->answered_at != kNever) {
    // The peer has left its own for ours: this one was under way then. Or it has begun anew, and asks for a
    // cookie first.
    if (!hello.has_cookie || WasAskedForCookie(remote, link->answered_at)) return true;
  } else if (link->session->HasSmallerRandom(hello.random)) {
    return true;
  }
  // The peer should have given way to ours. It does not hear us, or has forgotten what it heard.
  if (link->refused_at == kNever) link->refused_at = now_;
  return now_ - link->refused_at > kHandshakePatience;
}

bool DataPlane::Listen(const RecordView& record, const Path& path, Link* waiting) {
  if (listener_ == nullptr) listener_ = MakeSession(true);
  if (listener_ == nullptr) {
    counters_->Add(Counter::dropNoCredentials);
    return false;
  }
  {
    // The answer to an unproved address is never longer than what came from it.
    FlightScope scope(this, path, record.length);
    if (!listener_->ListenTo(record, path.remote, &cookies_, now_)) {
      cookie_asked_[AddressHash{}(path.remote) % cookie_asked_.size()] = {path.remote, now_};
      return false;
    }
  }
  Link* link = waiting;
  if (link == nullptr) {
    DropOldestHalfOpen();
    auto made = std::make_unique<Link>();
    made->id = next_link_.fetch_add(1);
    made->server = true;
    made->incoming = true;
    made->stats = std::make_shared<LinkStats>();
    link = links_.Add(std::move(made));
    links_.Bind(link, path.remote, true);
    Event event;
    event.type = EventType::kIncoming;
    event.link = link->id;
    event.stats = link->stats;
    event.local = {path.local, port()};
    event.remote = path.remote;
    Emit(std::move(event));
  }
  if (!link->path_is_set) link->path = path;
  link->session = std::move(listener_);
  links_.Name(link);
  BeginHandshake(link);
  {
    FlightScope scope(this, *link->path, kNoFlightLimit);
    link->session->Start();
  }
  AfterHandshakeStep(link);
  return true;
}

bool DataPlane::WasAskedForCookie(const Endpoint& remote, Nanoseconds since) const {
  const RemoteSeen& asked = cookie_asked_[AddressHash{}(remote) % cookie_asked_.size()];
  return asked.remote == remote && asked.at >= since;
}

void DataPlane::ContinueHandshake(Link* link, const RecordView& record, const Path& path) {
  if (link->session == nullptr || link->connected) {
    counters_->Add(Counter::dropStaleHandshake);
    return;
  }
  if (!link->path_is_set) link->path = path;
  {
    FlightScope scope(this, *link->path, kNoFlightLimit);
    link->session->HandleHandshakeRecord(record);
  }
  AfterHandshakeStep(link);
}

void DataPlane::RepeatFlight(Link* link) {
  {
    FlightScope scope(this, *link->path, kNoFlightLimit);
    link->session->HandleTimeout();
  }
  AfterHandshakeStep(link);
}

void DataPlane::AfterHandshakeStep(Link* link) {
  switch (link->session->state()) {
    case DtlsSession::State::kHandshaking:
      if (!link->server && link->answered_at == kNever && !link->session->AwaitsAnswer())
        link->answered_at = now_;
      link->retransmit_at = link->session->NextTimeout(now_);
      return;
    case DtlsSession::State::kFailed:
      EndLink(link, "the handshake failed: " + link->session->failure());
      return;
    case DtlsSession::State::kConnected:
      break;
  }
  counters_->Add(Counter::handshakesCompleted);
  std::erase(handshaking_, link->id);
  Connected(link);
}

void DataPlane::Connected(Link* link) {
  link->connected = true;
  link->connected_at = now_;
  link->rekey_at = now_ + kRekeyTime;
  links_.ForgetPrevious(link);
  link->stats->handshakes.fetch_add(1, std::memory_order_relaxed);
  Event event;
  event.type = EventType::kConnected;
  event.link = link->id;
  event.certificates = link->session->PeerCertificates();
  event.data = link->session->Exporter();
  if (event.certificates.empty() || event.data.empty()) {
    EndLink(link, "the handshake failed: no certificate or no exporter");
    return;
  }
  Emit(std::move(event));
  if (link->path.has_value()) TellNewPath(link);
  MakePaths(link);
  DeliverOvertaking(link);
  link->session->ReleaseHandshake();
  trimmer_.HandshakeFreed(now_);
}

void DataPlane::DeliverOvertaking(Link* link) {
  uint8_t outer_ecn = std::exchange(outer_ecn_, kNotEct);
  for (std::vector<uint8_t>& data : link->session->TakeOvertaking()) {
    link->stats->AddReceived(data.size());
    HandleApplicationData(link, data.data(), data.size());
  }
  outer_ecn_ = outer_ecn;
}

bool DataPlane::IsCalledFrom(const Endpoint& remote) {
  const LinkTable::Binding* binding = links_.FindRemote(remote);
  const Link* link = binding == nullptr ? nullptr : binding->link;
  if (link == nullptr || !link->incoming || link->authorized) return false;
  return link->connected ? now_ - link->connected_at <= kVerifyTime
                         : now_ - link->started_at <= kHandshakePatience;
}

void DataPlane::DropOldestHalfOpen() {
  Link* oldest = nullptr;
  size_t count = 0;
  for (LinkId id : handshaking_) {
    Link* link = links_.Find(id);
    if (link == nullptr || !link->incoming) continue;
    count++;
    // The list is in the order in which they began.
    if (oldest == nullptr) oldest = link;
  }
  if (count < options_.limits.half_open_handshakes) return;
  counters_->Add(Counter::dropHalfOpen);
  EndLink(oldest, "too many handshakes at once");
}

void DataPlane::EndLink(Link* link, std::string reason) {
  if (!link->connected) counters_->Add(Counter::handshakesFailed);
  Event event;
  event.type = EventType::kClosed;
  event.link = link->id;
  event.reason = std::move(reason);
  ForgetLink(link);
  Emit(std::move(event));
}

void DataPlane::ForgetLink(Link* link) {
  trimmer_.HandshakeFreed(now_);
  std::erase(handshaking_, link->id);
  tunnels_.Remove(link, links_);
  counters_->Add(Counter::dropEarlyClosed, early_.Take(link->id).packets.size());
  links_.Remove(link);
}

void DataPlane::ReportUnknown(const Path& path) {
  RemoteSeen& seen = unknown_seen_[AddressHash{}(path.remote) % unknown_seen_.size()];
  if (seen.remote == path.remote && now_ - seen.at < kUnknownInterval) return;
  if (now_ - unknown_refill_at_ >= kSecond) {
    unknown_refill_at_ = now_;
    unknown_left_ = kUnknownPerSecond;
  }
  if (unknown_left_ == 0) return;
  unknown_left_--;
  seen = {path.remote, now_};
  Event event;
  event.type = EventType::kUnknown;
  event.local = {path.local, port()};
  event.remote = path.remote;
  Emit(std::move(event));
}

}  // namespace idloc
