// The thread's loop, commands of JavaScript and timers.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>

#include "data_plane/data_plane.h"
#include "data_plane/schedule.h"
#include "net/traffic_class.h"
#include "tunnel/icmp_error.h"
#include "udp/first_byte.h"

namespace idloc {

DataPlane::DataPlane()
    : counters_(std::make_shared<Counters>()),
      bulk_(&tun_, counters_.get()),
      urgent_(&tun_, counters_.get()),
      voice_flows_(counters_.get()) {}

Error DataPlane::Open(Options options) {
  options_ = std::move(options);
  ApplyLimits();
  Error error = bulk_.sockets.Open(options_.port);
  if (!error.failed()) error = urgent_.sockets.OpenUrgent(&bulk_.sockets);
  if (!error.failed()) error = monitor_.Open();
  options_.streams.turn_left = [this](const Path& client) { StreamClientLeft(client); };
  options_.streams.turn_ended = [this](uint32_t id, std::string reason) {
    TellTurnEnded(id, std::move(reason));
  };
  if (!error.failed()) error = streams_.Open(options_.streams);
  if (!error.failed() && !options_.tun_name.empty()) error = tun_.Open(options_.tun_name, options_.tun_mtu);
  if (error.failed()) {
    bulk_.sockets.Close();
    urgent_.sockets.Close();
    monitor_ = {};
    streams_.Close();
    return error;
  }
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  command_event_ = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  auto watch = [this](int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  };
  bool watched = epoll_.valid() && command_event_.valid() && watch(command_event_.get()) &&
                 watch(bulk_.sockets.main().udp.fd()) && watch(urgent_.sockets.main().udp.fd()) &&
                 watch(monitor_.fd()) && watch(streams_.fd()) && (!tun_.valid() || watch(tun_.fd()));
  if (!watched) {
    std::string reason = std::strerror(errno);
    bulk_.sockets.Close();
    urgent_.sockets.Close();
    monitor_ = {};
    streams_.Close();
    tun_ = {};
    return {"no_poll", "cannot wait for packets: " + reason + "; check the limit of open files"};
  }
  for (Lane* lane : {&bulk_, &urgent_}) lane->sockets.SetGuide(&uplinks_);
  uplinks_.SetRules({options_.tun_name, options_.forbidden_uplinks, options_.preferred_uplinks});
  LoadUplinks();
  // Signals belong to node's threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  schedule_.WatchThisThread();
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  RelaxThisThread();
  return {};
}

void DataPlane::ApplyLimits() {
  held_.SetMaxTotalBytes(options_.limits.held_bytes);
  early_.SetMaxTotalBytes(options_.limits.early_bytes);
  commands_.SetMaxBytes(options_.limits.queued_bytes);
  events_.SetLimits(options_.limits.event_bytes, options_.limits.link_events);
}

void DataPlane::Close() {
  if (!thread_.joinable()) return;
  stop_.store(true);
  uint64_t one = 1;
  // Only fails when the counter is full, and then the thread is being woken already.
  [[maybe_unused]] ssize_t written = write(command_event_.get(), &one, sizeof one);
  thread_.join();
  tun_ = {};
  bulk_.sockets.Close();
  urgent_.sockets.Close();
  streams_.Close();
  monitor_ = {};
}

void DataPlane::Post(Command command) {
  if (!commands_.Push(std::move(command))) return;
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(command_event_.get(), &one, sizeof one);
}

LinkId DataPlane::NewLink(bool server) {
  LinkId id = next_link_.fetch_add(1);
  auto stats = std::make_shared<LinkStats>();
  stats_[id] = stats;
  Post(OpenLink{id, server, std::move(stats)});
  return id;
}

void DataPlane::RemoveLink(LinkId link) {
  stats_.erase(link);
  Post(CloseLink{link});
}

const LinkStats* DataPlane::FindStats(LinkId link) const {
  auto found = stats_.find(link);
  return found == stats_.end() ? nullptr : found->second.get();
}

bool DataPlane::PopEvent(Event* out) {
  if (!events_.Pop(out)) return false;
  if (out->type == EventType::kIncoming) stats_[out->link] = std::move(out->stats);
  if (out->type == EventType::kClosed) stats_.erase(out->link);
  return true;
}

void DataPlane::Run() {
  prctl(PR_SET_NAME, "idloc-data");
  schedule_.Begin();
  epoll_event events[16];
  while (!stop_.load(std::memory_order_relaxed)) {
    bool at_once = !backlog_.empty() && !bulk_.transmit.blocked();
    if (schedule_.real_time() && pause_ > 0 && !at_once) Pause();
    pause_ = 0;
    int ready = epoll_wait(epoll_.get(), events, 16, at_once ? 0 : WaitMilliseconds(MonotonicNow()));
    if (ready < 0 && errno != EINTR) break;
    now_ = MonotonicNow();
    schedule_.Run(now_);
    bool tun_ready = false;
    bool udp_ready = false;
    auto is_socket = [&](int fd, uint32_t what) {
      for (Lane* lane : {&bulk_, &urgent_}) {
        LaneSocket* socket = lane->sockets.Find(fd);
        if (socket == nullptr) continue;
        // Errors are cleared by receiving.
        socket->ready = socket->ready || (what & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
        udp_ready = udp_ready || socket->ready;
        if ((what & EPOLLOUT) != 0) lane->transmit.Flush();
        return true;
      }
      return false;
    };
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == command_event_.get()) {
        RunCommands();
      } else if (is_socket(fd, events[i].events)) {
        continue;
      } else if (fd == monitor_.fd()) {
        ReadNetwork();
      } else if (fd == streams_.fd()) {
        RunStreams();
      } else if (TurnAllocation* allocation = turn_allocations_.FindSocket(fd); allocation != nullptr) {
        ReceiveRelayed(allocation);
      } else if (fd != tun_.fd()) {
        // Of a socket that was closed in this round.
        continue;
      } else if ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0) {
        LoseTun();
      } else {
        tun_ready = true;
      }
    }
    if (udp_ready || tun_ready) ServeUrgent();
    if (udp_ready) Inbound(&bulk_, kUdpBudget);
    if (tun_ready || !backlog_.empty()) Outbound();
    RunTimers();
    for (Lane* lane : {&urgent_, &bulk_}) {
      lane->transmit.FlushUnblocked();
      lane->transmit.DropStalled(now_);
      WatchSockets(lane);
    }
    streams_.Flush();
    WatchTun();
    PublishEvents();
  }
  // What JavaScript said last, as to a TURN server that it goes.
  RunCommands();
  // Peers learn at once that this end is gone.
  for (bool hops : {true, false}) {
    for (const auto& [id, link] : links_.all()) {
      if (!link->connected || !link->path.has_value() || link->path->is_hop() != hops) continue;
      uint8_t alert[DtlsSession::kMaxAlertRecordBytes];
      size_t length = link->session->MakeCloseNotify(alert);
      if (length > 0) SendVia(*link->path, alert, length);
    }
    // Before the links that these go through are closed.
    urgent_.transmit.Flush();
    streams_.Flush();
  }
}

void DataPlane::RunCommands() {
  uint64_t count;
  [[maybe_unused]] ssize_t taken = read(command_event_.get(), &count, sizeof count);
  uint64_t dropped = commands_.Collect();
  if (dropped > 0) counters_->Add(Counter::dropCommandsFull, dropped);
  Command command;
  while (commands_.Pop(&command)) {
    std::visit([this](auto& c) { Handle(c); }, command);
  }
}

void DataPlane::Handle(SendDatagram& command) {
  SendPlain(command.path, command.data.data(), command.data.size());
}

void DataPlane::SendPlain(const Path& path, const uint8_t* data, size_t length) {
  counters_->Add(length > 0 && data[0] == kBencodeByte ? Counter::foreignSent : Counter::stunSent);
  if (!SendVia(path, data, length)) counters_->Add(Counter::dropSendFailed);
}

void DataPlane::Handle(SendRecord& command) {
  Link* link = links_.Find(command.link);
  if (link == nullptr) return;
  if (!link->connected) {
    counters_->Add(Counter::dropNotConnected);
    return;
  }
  if (SendRecordTo(link, command.data.data(), command.data.size())) counters_->Add(Counter::recordsSent);
}

void DataPlane::Handle(SetCredentials& command) {
  ssl_context_ = std::move(command.context);
  listener_ = nullptr;
}

void DataPlane::Handle(OpenLink& command) {
  auto link = std::make_unique<Link>();
  link->id = command.link;
  link->server = command.server;
  link->stats = std::move(command.stats);
  links_.Add(std::move(link));
}

void DataPlane::Handle(BindRemote& command) {
  Link* link = links_.Find(command.link);
  if (link == nullptr) return;
  // SetPath is to find whoever calls from there.
  bool waits = !link->server && link->session == nullptr;
  if (!waits || !IsCalledFrom(command.remote)) links_.Bind(link, command.remote, false);
}

void DataPlane::Handle(UnbindRemote& command) {
  Link* link = links_.Find(command.link);
  if (link != nullptr) links_.Unbind(link, command.remote);
}

void DataPlane::Handle(SetPath& command) {
  Link* link = links_.Find(command.link);
  if (link == nullptr) return;
  bool moved = !(link->path == command.path);
  link->path_is_set = true;
  link->resting = link->asleep = false;
  if (link->paths != nullptr) {
    link->paths->Select(command.path, command.preference, now_);
    // Refused: TendPaths says where it goes instead.
    moved = moved && *link->paths->active() == command.path;
    TendPaths(link);
  } else {
    link->path = command.path;
  }
  if (moved && link->connected) TellNewPath(link);
  bool begins = !link->server && link->session == nullptr;
  if (begins && IsCalledFrom(command.path.remote)) {
    EndLink(link, kYielded);
    return;
  }
  links_.Bind(link, command.path.remote, begins);
  if (begins) StartClient(link);
}

// RFC 7675 s5.1: without consent nothing more is sent there. A handshake has no consent to lose.
void DataPlane::Handle(ClearPath& command) {
  Link* link = links_.Find(command.link);
  if (link == nullptr || !link->connected) return;
  link->path.reset();
  link->resting = link->asleep = false;
  if (link->paths != nullptr) {
    link->paths->Clear();
    TendPaths(link);
  }
}

void DataPlane::Handle(CloseLink& command) {
  Link* link = links_.Find(command.link);
  if (link == nullptr) return;
  if (link->connected && link->path.has_value()) {
    size_t length = link->session->alert_record_bytes();
    const Slot slot = Reserve(&bulk_, *link->path, length);
    // A record that cannot be sealed must not leave the queue half-written.
    if (slot.data != nullptr && link->session->MakeCloseNotify(slot.data) == 0) {
      std::memset(slot.data, 0xff, length);
    }
    Commit(&bulk_, slot);
  }
  ForgetLink(link);
}

void DataPlane::Handle(Authorize& command) {
  Link* link = links_.Find(command.link);
  if (link == nullptr || !link->connected) return;
  tunnels_.Remove(link, links_);
  link->authorized = true;
  link->hit = command.hit;
  link->ipv4 = command.ipv4;
  link->user = command.user;
  auto release = [this, link](const IpAddress& address) {
    tunnels_.Set(address, link);
    for (HeldPackets::Packet& packet : held_.Take(address)) {
      counters_->Add(Counter::packetsReleased);
      Lane* lane = IsMarkedUrgent(packet.data() + kVnetHeaderBytes) ? &urgent_ : &bulk_;
      HandleTunPacket(packet.data(), packet.size(), lane);
    }
  };
  release(command.hit);
  if (command.ipv4.has_value()) release(*command.ipv4);
  DeliverEarly(link);
}

void DataPlane::Handle(Refuse& command) {
  for (HeldPackets::Packet& packet : held_.Take(command.address)) {
    counters_->Add(Counter::dropRefused);
    uint8_t answer[kMaxIcmpErrorBytes];
    size_t length =
        MakeUnreachable(packet.data() + kVnetHeaderBytes, packet.size() - kVnetHeaderBytes, answer);
    if (length == 0) continue;
    counters_->Add(Counter::unreachablesSent);
    bulk_.coalescer.WriteSingle(answer, length);
  }
}

void DataPlane::Handle(SetLocalAddresses& command) {
  local_hit_ = command.hit;
  local_ipv4_ = command.ipv4;
}

Nanoseconds DataPlane::GiveUpAt(const Link& link) {
  return link.started_at + (link.incoming ? kHalfOpenLifetime : kHandshakeLifetime);
}

int DataPlane::WaitMilliseconds(Nanoseconds now) const {
  // The ring was full: look again when JavaScript may have taken something.
  constexpr Nanoseconds kFullRingRetry = 10 * kMillisecond;
  Nanoseconds next =
      std::min({network_event_at_, tun_event_at_, load_uplinks_at_, leave_at_, bulk_.sockets.NextClosing(),
                bulk_.transmit.NextStall(), urgent_.transmit.NextStall(), held_.NextExpiry(),
                early_.NextExpiry(), NextRekeyTimeout(), NextPathTimeout(), resting_.NextTime(),
                trimmer_.NextTime(), streams_.NextTimeout()});
  if (events_.has_waiting()) next = std::min(next, now + kFullRingRetry);
  for (LinkId id : handshaking_) {
    auto found = links_.all().find(id);
    if (found == links_.all().end()) continue;
    const Link& link = *found->second;
    next = std::min({next, link.retransmit_at, GiveUpAt(link)});
  }
  if (next == kNever) return -1;
  if (next <= now) return 0;
  return static_cast<int>((next - now + kMillisecond - 1) / kMillisecond);
}

void DataPlane::RunTimers() {
  auto tell = [this](Nanoseconds* at, EventType type) {
    if (*at > now_) return;
    *at = kNever;
    Event event;
    event.type = type;
    Emit(std::move(event));
  };
  tell(&network_event_at_, EventType::kNetwork);
  tell(&tun_event_at_, EventType::kTunChanged);
  if (held_.NextExpiry() <= now_) counters_->Add(Counter::dropHeldExpired, held_.Expire(now_));
  if (early_.NextExpiry() <= now_) counters_->Add(Counter::dropEarlyExpired, early_.Expire(now_));
  RunRekeyTimers();
  RunPathTimers();
  RunResting();
  TendStreams();
  if (load_uplinks_at_ <= now_) LoadUplinks();
  if (leave_at_ <= now_) LeaveLostPaths();
  CloseRetiredSockets();
  trimmer_.Run(now_);
  // By value: a step may end a link and change the list.
  std::vector<LinkId> due;
  for (LinkId id : handshaking_) {
    Link* link = links_.Find(id);
    if (link != nullptr && std::min(link->retransmit_at, GiveUpAt(*link)) <= now_) due.push_back(id);
  }
  for (LinkId id : due) {
    Link* link = links_.Find(id);
    if (link == nullptr || link->session == nullptr) continue;
    if (GiveUpAt(*link) <= now_) {
      EndLink(link, "the handshake timed out");
    } else {
      RepeatFlight(link);
    }
  }
}

void DataPlane::Pause() {
  pollfd wanted[2 + 2 * Uplinks::kMost] = {{urgent_.sockets.main().udp.fd(), POLLIN, 0},
                                           {command_event_.get(), POLLIN, 0}};
  size_t count = 2;
  for (const auto& socket : urgent_.sockets.others()) {
    if (count < std::size(wanted)) wanted[count++] = {socket->udp.fd(), POLLIN, 0};
  }
  timespec time{0, pause_};
  ppoll(wanted, count, &time, nullptr);
}

void DataPlane::WatchSockets(Lane* lane) {
  auto watch = [this, lane](LaneSocket* socket) {
    bool wanted = lane->transmit.blocked() && socket->waiting > 0;
    if (wanted == socket->watched_for_room) return;
    socket->watched_for_room = wanted;
    epoll_event event{};
    event.data.fd = socket->udp.fd();
    event.events = static_cast<uint32_t>(wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
    epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket->udp.fd(), &event);
  };
  watch(&lane->sockets.main());
  for (const auto& socket : lane->sockets.others()) watch(socket.get());
}

void DataPlane::WatchTun() {
  if (!tun_.valid()) return;
  // Programs feel the back-pressure: the TUN's own queue fills instead of ours, unless something urgent may
  // be in it.
  bool wanted = !bulk_.transmit.blocked() || IsUrgentActive();
  if (wanted == watching_tun_) return;
  watching_tun_ = wanted;
  epoll_event event{};
  event.data.fd = tun_.fd();
  event.events = wanted ? static_cast<uint32_t>(EPOLLIN) : 0U;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, tun_.fd(), &event);
}

void DataPlane::NoteChanges(NetworkMonitor::Changes changes) {
  if (changes.others && network_event_at_ == kNever) network_event_at_ = now_ + kNetworkSettle;
  if (changes.own && tun_event_at_ == kNever) tun_event_at_ = now_ + kNetworkSettle;
}

void DataPlane::LoseTun() {
  // Someone deleted the interface. The condition stays, and would wake this thread again and again.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, tun_.fd(), nullptr);
  tun_ = {};
  counters_->Add(Counter::tunLost);
  Event event;
  event.type = EventType::kTunLost;
  Emit(std::move(event));
}

bool DataPlane::Emit(Event&& event) {
  event.at = now_;
  bool queued = events_.Push(std::move(event));
  counters_->Add(queued ? Counter::eventsQueued : Counter::dropEventsFull);
  return queued;
}

void DataPlane::PublishEvents() {
  if (!events_.Settle() || wake_pending_.exchange(true)) return;
  counters_->Add(Counter::wakeups);
  options_.wake();
}

}  // namespace idloc
