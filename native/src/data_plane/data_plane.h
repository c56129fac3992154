#pragma once
// One thread that owns the TUN, the UDP socket and every DTLS association.
//
//   JavaScript --commands (queue, eventfd)--> thread --events (ring, one wake-up a batch)--> JavaScript
//   inbound.cc: UDP to TUN and events     outbound.cc: TUN to UDP     control.cc: commands, timers
//   handshakes.cc, rekey.cc, resting.cc, paths.cc, path_mtu.cc: the life of links
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/counters.h"
#include "data_plane/check_limiter.h"
#include "data_plane/command_queue.h"
#include "data_plane/event_ring.h"
#include "data_plane/lane.h"
#include "data_plane/limits.h"
#include "data_plane/memory_trimmer.h"
#include "data_plane/schedule.h"
#include "data_plane/stranger_limiter.h"
#include "link/link_table.h"
#include "link/resting_links.h"
#include "net/network_monitor.h"
#include "net/uplinks.h"
#include "relay/hop.h"
#include "relay/quota.h"
#include "relay/turn_channels.h"
#include "relay/turn_server.h"
#include "stream/streams.h"
#include "tun/backlog.h"
#include "tun/segmenter.h"
#include "tun/tun_device.h"
#include "tunnel/early_packets.h"
#include "tunnel/held_packets.h"
#include "tunnel/tunnel_table.h"
#include "tunnel/voice_flows.h"
#include "udp/receive_depth.h"

namespace idloc {

namespace test {
class DataPlaneTester;
}

class DataPlane {
 public:
  struct Options {
    uint16_t port = 0;
    std::string tun_name;  // empty: no TUN
    int tun_mtu = 0;
    bool copy_dscp = false;  // from packets to the datagrams that carry them
    Limits limits;
    bool connection_ids = true;  // RFC 9146, offered to every peer
    // New keys after so many records: well before the limit of AES-GCM (RFC 8446 s5.5), which is above 2^24.
    uint64_t rekey_records = uint64_t{1} << 24;
    // How long nothing is heard on a resting link until the peer is asked for a sign of life; the least, a
    // quarter is spread over.
    Nanoseconds keepalive = 16 * kSecond;
    // Interfaces by name: those that must not be used as uplinks, those that go before others.
    std::vector<std::string> forbidden_uplinks;
    std::vector<std::string> preferred_uplinks;
    Streams::Options streams;
    // Called on the thread when events wait and no wake-up is under way; must not block.
    std::function<void()> wake;
  };

  DataPlane();
  ~DataPlane() {
    Close();
    TakePathReports();
  }
  DataPlane(const DataPlane&) = delete;
  DataPlane& operator=(const DataPlane&) = delete;

  // On failure nothing is left open.
  Error Open(Options options);
  // Idempotent; waits for the thread.
  void Close();

  // From JavaScript's thread.
  uint16_t port() const { return bulk_.sockets.main().udp.port(); }
  void Post(Command command);
  LinkId NewLink(bool server);
  void RemoveLink(LinkId link);
  // For ShowStreamCertificate.
  Error MakeStreamServer(const StreamCertificate& certificate, SslContext* out) const {
    return streams_.MakeServer(certificate, out);
  }
  // Valid until the link is removed or the event that says so is taken; nullptr: there is no such link.
  const LinkStats* FindStats(LinkId link) const;
  // False: there is none.
  bool PopEvent(Event* out);
  // Call after a wake-up, before events are taken; the next ones wake again.
  void WakeTaken() { wake_pending_.store(false); }
  const std::shared_ptr<Counters>& counters() const { return counters_; }
  // One path of a link, as it was when ReportPaths was carried out.
  struct PathReport {
    LinkId link;
    bool active;
    Path route;
    PathSet::State state;
    Nanoseconds srtt;  // 0: not known
    float loss;
  };
  std::unique_ptr<std::vector<PathReport>> TakePathReports() {
    return std::unique_ptr<std::vector<PathReport>>(path_reports_.exchange(nullptr));
  }

 private:
  // native/test drives the stages without the thread.
  friend class test::DataPlaneTester;

  static constexpr Nanoseconds kHalfOpenLifetime = 10 * kSecond;
  static constexpr Nanoseconds kHandshakeLifetime = 15 * kSecond;
  static constexpr Nanoseconds kCookieAnswerTime = 5 * kSecond;
  static constexpr Nanoseconds kRekeyTime = 6 * 3600 * kSecond;
  static constexpr Nanoseconds kRekeyPause = 60 * kSecond;  // after a failure
  // Of a peer that begins with a new ClientHello though the link has carried little since the last one.
  static constexpr Nanoseconds kPeerRekeyInterval = 2 * kSecond;
  static constexpr int kPeerRekeyBurst = 4;
  static constexpr Nanoseconds kRekeyDoneInterval = 100 * kMillisecond;
  static constexpr Nanoseconds kRetiredKeysTime = 5 * kSecond;  // longer than any queue on a path
  static constexpr Nanoseconds kVerifyTime = 5 * kSecond;       // for JavaScript to look at a certificate
  static constexpr Nanoseconds kHandshakePatience = kSecond;
  static constexpr char kYielded[] = "the peer's own handshake goes on instead";
  static constexpr Nanoseconds kNetworkSettle = 5 * kMillisecond;  // one change makes a burst of messages
  // Between two dumps of all that rtnetlink knows.
  static constexpr Nanoseconds kLoadInterval = 100 * kMillisecond;
  // Links that leave a lost path, each with a probe.
  static constexpr size_t kLeaveAtOnce = 10;
  static constexpr Nanoseconds kLeaveInterval = 5 * kMillisecond;
  static constexpr int kTunBudget = 4;  // super-packets before the socket is looked at again
  static constexpr int kUdpBudget = 2;  // batches before the TUN is looked at again
  // Between two pieces of bulk: enough for hundreds of calls, not for a flood in their guise to stop it.
  static constexpr int kReadAheadBudget = 64;
  static constexpr int kUrgentUdpBudget = 1;
  static constexpr int kRelayedBudget = 16;      // datagrams of a relayed port before others are looked at
  static constexpr size_t kMostRelayed = 9'000;  // more reaches no client in one datagram
  // A program that has sent something urgent is expected to go on for as long.
  static constexpr Nanoseconds kUrgentTime = 2 * kSecond;
  static constexpr Nanoseconds kUnknownInterval = kSecond;  // per remote
  static constexpr int kUnknownPerSecond = 16;
  static constexpr size_t kNoFlightLimit = SIZE_MAX;
  static constexpr Nanoseconds kTooBigInterval = 100 * kMillisecond;  // per link and family
  static constexpr Nanoseconds kLargeReportInterval = kSecond;        // per link
  static constexpr size_t kMaxPlainBytes = 1500;                      // whole on an Ethernet
  static constexpr size_t kLeastIpv6Mtu = 1280;
  static constexpr uint16_t kLeastPathMtu = 576;   // RFC 1122 s3.3.2
  static constexpr uint16_t kMostPathMtu = 9'216;  // a record may hold 2^14 bytes

  // control.cc
  void ApplyLimits();
  void Run();
  void RunCommands();
  // Outside any link.
  void SendPlain(const Path& path, const uint8_t* data, size_t length);
  void Handle(SendDatagram& command);
  void Handle(SendRecord& command);
  void Handle(SetCredentials& command);
  void Handle(OpenLink& command);
  void Handle(BindRemote& command);
  void Handle(UnbindRemote& command);
  void Handle(SetPath& command);
  void Handle(AddPath& command);
  void Handle(ClearPath& command);
  void Handle(CloseLink& command);
  void Handle(Rest& command);
  void Handle(Authorize& command);
  void Handle(Refuse& command);
  void Handle(SetLocalAddresses& command);
  void Handle(SetPathMtu& command);
  void Handle(SendProbe& command);
  void Handle(SetRelay& command);
  void Handle(DialStream& command);
  void Handle(DialTurn& command);
  void Handle(HangUpTurn& command);
  void Handle(ShowStreamCertificate& command);
  void Handle(SetTurnChannel& command);
  void Handle(RemoveTurnChannel& command);
  void Handle(SetTurnQuota& command);
  void Handle(AddTurnAllocation& command);
  void Handle(RemoveTurnAllocation& command);
  void Handle(PermitTurnPeer& command);
  void Handle(ReportPaths& command);
  static Nanoseconds GiveUpAt(const Link& link);
  int WaitMilliseconds(Nanoseconds now) const;
  void RunTimers();
  void Pause();
  void WatchSockets(Lane* lane);
  void WatchTun();
  void NoteChanges(NetworkMonitor::Changes changes);
  void LoseTun();
  bool Emit(Event&& event);
  void PublishEvents();

  // uplinks.cc
  // Everything anew: at the start, and after messages were lost.
  void LoadUplinks();
  void ReadNetwork();
  void UseUplinks();
  void OpenUplink(const Uplink& uplink);
  void CloseRetiredSockets();
  // uplinks_ says something else than before, and the sockets are as it says. On the thread, right after the
  // messages were read; the first time before it begins, without links.
  void UplinksChanged();
  // Links leave paths that are of no use any more.
  void LookAtPaths();
  void LeaveLostPaths();
  void LeaveLostPathsOf(Link* link);
  bool IsUsable(const Path& path);

  // handshakes.cc
  // Where OpenSSL's datagrams go while the scope lasts, and how long one may be.
  class FlightScope {
   public:
    FlightScope(DataPlane* plane, const Path& path, size_t limit) : plane_(plane) {
      plane->flight_path_ = &path;
      plane->flight_limit_ = limit;
    }
    FlightScope(const FlightScope&) = delete;
    FlightScope& operator=(const FlightScope&) = delete;
    ~FlightScope() { plane_->flight_path_ = nullptr; }

   private:
    DataPlane* plane_;  // borrowed: outlives the scope
  };
  static void SendFlight(void* owner, const uint8_t* data, size_t length);
  std::unique_ptr<DtlsSession> MakeSession(bool server);
  bool StartSession(Link* link);
  void BeginHandshake(Link* link);
  void StartClient(Link* link);
  void HandleClientHello(LinkTable::Binding* binding, const RecordView& record, const Path& path);
  // `waiting`: the link that the remote is bound to already; nullptr makes a new one.
  // False: no handshake goes on yet, a cookie was asked for at most.
  bool Listen(const RecordView& record, const Path& path, Link* waiting = nullptr);
  // Both ends are clients on one pair of addresses: whether the handshake of `link` gives way to the peer's.
  bool Yields(Link* link, const ClientHelloView& hello, const Endpoint& remote);
  // Whether a client there got a cookie of ours since then, or soon has it; forgotten when many others were
  // asked.
  bool WasAskedForCookie(const Endpoint& remote, Nanoseconds since) const;
  void ContinueHandshake(Link* link, const RecordView& record, const Path& path);
  void RepeatFlight(Link* link);
  void AfterHandshakeStep(Link* link);
  void Connected(Link* link);
  void DeliverOvertaking(Link* link);
  // The peer's own handshake is under way there, or was done a moment ago, and JavaScript may not know yet.
  bool IsCalledFrom(const Endpoint& remote);
  void DropOldestHalfOpen();
  // Both end the life of `link`.
  void EndLink(Link* link, std::string reason);
  void ForgetLink(Link* link);
  void ReportUnknown(const Path& path);

  // rekey.cc
  class RekeyScope;
  void CheckKeys(Link* link);
  void StartRekey(Link* link);
  bool MakeSuccessor(Link* link);
  // A handshake takes a millisecond of this thread, and the peer could begin one with every record.
  bool MayPeerRekey(Link* link);
  void SendRekeyFlight(const uint8_t* data, size_t length);
  void HandleRekeyFlight(Link* link, uint8_t* data, size_t length);
  void AfterRekeyStep(Link* link);
  void FailRekey(Link* link);
  void UseSuccessor(Link* link);
  void SayRekeyDone(Link* link);
  // nullptr: its keys are gone, or never were.
  static DtlsSession* SessionOf(Link* link, uint16_t epoch);
  // An authentic record came under the keys of `session`.
  void KeysSeen(Link* link, const DtlsSession* session);
  Nanoseconds NextRekeyTimeout() const;
  void RunRekeyTimers();

  // resting.cc
  void RunResting();
  void KeepAlive(Link* link);
  void TellAsleep(Link* link);
  void Stir(Link* link, bool silent);
  Nanoseconds RestInterval(const Link& link) const;

  // paths.cc
  void MakePaths(Link* link);
  // An authentic record came by `path`.
  void NoteHeard(Link* link, const RecordView& record, const Plaintext& plaintext, bool newest,
                 const Path& path);
  // False: it is something else.
  bool TakePathRecord(Link* link, const Path& path, const uint8_t* data, size_t length);
  // After anything that its paths were told.
  void TendPaths(Link* link);
  // Nothing has answered on a path, and one by that member is tried: often they end at one uplink, that is
  // dead, and on the link with the member nobody would notice, since programs do not use it.
  void AskRelay(const IpAddress& hit);
  // Another way to the peer of `link` has opened: links of this host that go by hops over it are probed.
  void AskHopsAgain(const Link* link);
  void ArmPaths(Link* link);
  Nanoseconds NextPathTimeout() const;
  void RunPathTimers();

  // inbound.cc
  void Inbound(Lane* lane, int budget);
  void Receive(Lane* lane, LaneSocket* socket, int budget);
  void HandleDatagram(uint8_t* data, size_t length, const Path& path);
  bool TakesStun(LinkTable::Binding* bound, const Path& path);
  void HandleRecords(uint8_t* data, size_t length, const Path& path);
  void HandleApplicationData(Link* link, uint8_t* data, size_t length);
  void DeliverPacket(Link* link, uint8_t* data, size_t length);
  // What waited for this link to be authorized, or for the IPv4 claim of its peer.
  void DeliverEarly(Link* link);

  // outbound.cc
  void Outbound();
  // What came for the urgent lane meanwhile, between two pieces of bulk.
  void ServeUrgent();
  void ReadTun();
  // `data`: vnet header and packet.
  bool IsUrgent(const uint8_t* data, size_t length);
  bool IsUrgentActive() const { return now_ - urgent_at_ < kUrgentTime; }
  void HandleTunPacket(uint8_t* data, size_t length, Lane* lane);
  void SendPackets(Link* link, Lane* lane, const VnetHeader& header, uint8_t* packet, size_t length);
  void SendFragments(Link* link, Lane* lane, const VnetHeader& header, uint8_t* packet, size_t length,
                     size_t limit);
  // One record, whose `size` bytes of content `write` puts in place. False: the queue is full.
  template <typename Write>
  bool SealPacket(Link* link, Lane* lane, uint8_t traffic_class, size_t size, Write write);
  // A record that has left by another path already.
  bool SendCopy(const Path& path, const std::vector<uint8_t>& record, uint8_t traffic_class);
  // DSCP and ECN of the datagram that carries `packet`.
  uint8_t OuterClass(const uint8_t* packet) const;
  bool SendRecordTo(Link* link, const uint8_t* data, size_t length);
  bool SendRecordOn(const Path& path, Link* link, const uint8_t* data, size_t length);

  // streams.cc
  void RunStreams();
  // What came by one.
  void HandleStreamed(const Path& path, Framing framing, uint8_t* data, size_t length);
  // Those that no link goes by are over after a while.
  void TendStreams();
  void TellTurnEnded(uint32_t id, std::string reason);
  void LeaveStreams();

  // hops.cc
  // Room for one datagram. Write it there, then Commit, before anything else is sent.
  struct Slot {
    uint8_t* data = nullptr;  // borrowed from the lane's queue; nullptr: none, which the caller counts
    // Of a hop only: the record around it.
    Link* relay = nullptr;  // borrowed until Commit
    Link* from = nullptr;   // of what is handed on: who pays for a copy; borrowed as well
    uint8_t* record = nullptr;
    size_t content = 0;
    uint8_t traffic_class = 0;
    // Of a stream only: all that is written, and where to.
    size_t streamed = 0;
    Path stream{};
  };
  Slot Reserve(Lane* lane, const Path& path, size_t length, uint8_t traffic_class = 0) {
    if (path.is_hop()) [[unlikely]]
      return ReserveHop(lane, path, length, traffic_class);
    return ReserveDirect(lane, path, length, traffic_class);
  }
  // By no hop.
  Slot ReserveDirect(Lane* lane, const Path& path, size_t length, uint8_t traffic_class) {
    Slot slot;
    if (path.is_stream()) [[unlikely]] {
      slot.data = streams_.Room(length);
      slot.streamed = length;
      slot.stream = path;
    } else if (path.is_turn()) [[unlikely]] {
      return ReserveTurn(lane, path, length, traffic_class);
    } else {
      slot.data = lane->transmit.Append(path, length, traffic_class);
    }
    return slot;
  }
  void Commit(Lane* lane, const Slot& slot) {
    if (slot.relay != nullptr) [[unlikely]] {
      CommitHop(lane, slot);
      return;
    }
    if (slot.streamed != 0) [[unlikely]]
      streams_.Queue(slot.stream, slot.streamed, lane == &urgent_, now_);
  }
  // One datagram of no lane's order. False: not sent.
  bool SendVia(const Path& path, const uint8_t* data, size_t length);
  // Whom we are linked with under that HIT, over a path that is no hop itself; nullptr: nobody.
  Link* FindNeighbor(const IpAddress& hit);
  Slot ReserveHop(Lane* lane, const Path& path, size_t length, uint8_t traffic_class);
  // A record on the link with `neighbor`: `type`, `other`, and as many bytes as the caller then writes.
  Slot ReserveRecord(Lane* lane, Link* neighbor, uint8_t type, const IpAddress& other, size_t length,
                     uint8_t traffic_class);
  void CommitHop(Lane* lane, const Slot& slot);
  // Where what is urgent goes as well; nullptr: nowhere.
  const Path* SpareOfHop(const Lane* lane, const Link& relay, size_t record_bytes) const;
  // A record of `link`, which came by `path`. Ends any link, this one too.
  void HandleHop(Link* link, uint8_t* data, size_t length, const Path& path);
  void ForwardHop(Link* from, const IpAddress& to, const uint8_t* datagram, size_t length);

  // turn.cc
  Slot ReserveTurn(Lane* lane, const Path& path, size_t length, uint8_t traffic_class);
  void HandleChannelData(uint8_t* datagram, size_t length, const Path& path);

  // turn_server.cc
  // ChannelData or a Send indication. False: the sender has no allocation here.
  bool HandleTurnClient(uint8_t* data, size_t length, const Path& path);
  // One message of a client's stream: as above, or a request.
  void HandleStreamClient(uint8_t* data, size_t length, const Path& client);
  void StreamClientLeft(const Path& client);
  void TellTurnLeft(const Path& client);
  void ReceiveRelayed(TurnAllocation* allocation);

  // path_mtu.cc
  // What fits into a record so that the datagram has at most `datagram` bytes, IP header included.
  static size_t PlaintextLimit(const Link& link, size_t datagram);
  // Its path MTU is not known.
  void TellNewPath(Link* link);
  // Packet Too Big into the TUN. The packet itself is not lost: it goes in pieces.
  void TellTooBig(Link* link, const uint8_t* packet, size_t length, size_t largest, size_t limit);
  // Tells JavaScript now and then that the link relies on its path MTU.
  void ReportLarge(Link* link, size_t plaintext);
  // The peer asks for less than what we send: what narrows one direction narrows the other as a rule, and who
  // sends little would learn of it late.
  void NoteProbeOfPeer(Link* link, size_t plaintext);
  void TellReliesOnPathMtu(Link* link);
  void SendProbeTo(Link* link, size_t datagram, uint32_t id);

  std::shared_ptr<Counters> counters_;
  Options options_;
  TunDevice tun_;
  NetworkMonitor monitor_;
  Uplinks uplinks_;
  Fd epoll_;
  Fd command_event_;
  std::thread thread_;

  CommandQueue commands_;
  std::atomic<bool> stop_{false};
  std::atomic<LinkId> next_link_{1};
  EventRing events_;
  std::atomic<bool> wake_pending_{false};
  // Owned; from the thread to JavaScript, the latest alone.
  std::atomic<std::vector<PathReport>*> path_reports_{nullptr};

  // Of JavaScript's thread only: of the links that it knows.
  std::unordered_map<LinkId, std::shared_ptr<LinkStats>> stats_;

  // Of the thread only, from here on.
  Lane bulk_;
  Lane urgent_;
  Schedule schedule_;
  Nanoseconds pause_ = 0;     // for the bulk that was moved since the last one
  Lane* receiving_ = &bulk_;  // whose datagrams are being handled
  uint8_t outer_ecn_ = 0;     // of those datagrams
  Backlog backlog_;
  std::unique_ptr<uint8_t[]> overflow_ = std::make_unique_for_overwrite<uint8_t[]>(Backlog::kEntryBytes);
  bool watching_tun_ = true;
  Nanoseconds urgent_at_ = -kUrgentTime;  // when a program last sent something urgent
  // Of one address: ICE checks of many hosts behind one NAT. Of all: what JavaScript answers in a fraction of
  // its time.
  StrangerLimiter stun_limiter_{500, 2000};
  CheckLimiter check_limiter_;
  // A lookup in Mainline asks some dozens of nodes at once, each answers with one datagram.
  StrangerLimiter foreign_limiter_{64, 256};
  VoiceFlows voice_flows_;
  ReceiveDepth receive_depth_;  // of the main bulk socket
  LinkTable links_;
  TunnelTable tunnels_;
  HeldPackets held_;
  EarlyPackets early_;
  RestingLinks resting_;
  RelayQuota hop_quota_;
  TurnChannels turn_channels_;
  TurnAllocations turn_allocations_;
  RelayQuota turn_quota_;
  Streams streams_{counters_.get()};
  MemoryTrimmer trimmer_;
  std::vector<LinkId> resting_due_;  // reused by RunResting
  std::vector<LinkId> handshaking_;
  std::vector<LinkId> keys_due_;
  std::vector<LinkId> rekeying_;  // with a handshake or retired keys
  struct PathTimer {
    Nanoseconds at;
    LinkId link;
    bool operator>(const PathTimer& other) const { return at > other.at; }
  };
  std::vector<PathTimer> path_timers_;  // a heap, the earliest in front
  std::vector<uint8_t> hop_record_;     // reused by CommitHop
  Link* rekey_link_ = nullptr;          // borrowed during a RekeyScope
  SslContext ssl_context_;
  std::unique_ptr<DtlsSession> listener_;
  CookieJar cookies_;
  const Path* flight_path_ = nullptr;  // borrowed during a FlightScope
  size_t flight_limit_ = 0;
  IpAddress local_hit_;
  std::optional<IpAddress> local_ipv4_;
  std::unique_ptr<uint8_t[]> fragment_buffer_;  // a packet to be fragmented, or a probe; made when needed
  uint32_t next_identification_ = static_cast<uint32_t>(MonotonicNow());  // of fragmented packets without one
  Nanoseconds now_ = 0;                                                   // when the thread last woke up
  Nanoseconds network_event_at_ = kNever;
  Nanoseconds uplinks_loaded_at_ = 0;
  Nanoseconds load_uplinks_at_ = kNever;
  std::vector<LinkId> leaving_;  // whose paths are to be looked at since uplinks changed, the first one last
  Nanoseconds leave_at_ = kNever;
  Nanoseconds tun_event_at_ = kNever;
  struct RemoteSeen {
    Endpoint remote;
    Nanoseconds at = 0;
  };
  std::array<RemoteSeen, 64> unknown_seen_;
  std::array<RemoteSeen, 64> cookie_asked_;
  Nanoseconds unknown_refill_at_ = 0;
  int unknown_left_ = 0;
};

}  // namespace idloc
