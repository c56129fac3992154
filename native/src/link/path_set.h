#pragma once
// The paths of one link whose peer has a connection ID for us, sans-IO: by which of them data leaves, and
// when another takes over. JavaScript's ICE finds paths, this class keeps them; each end decides for what it
// sends.
//
//   candidate ──our nonce comes back by it──> valid <──an answer, a record──> suspect
//       └──four probes lost──> forgotten        └──30 s without proof──> forgotten
//
// The active path carries everything. When what was sent by it is not followed by any record of the peer, it
// is probed; a probe that is late makes it suspect: all others are probed as well, what is urgent goes twice
// (`SpareFor`), and the first path that answers becomes the active one. Twice it goes too while a stream of
// the peer is overdue, or one of ours by the peer's word, and until the nonce comes back from where the peer
// has moved to. What was urgent and left last before such a way was open goes there at once (`TakeAgain`):
// the next packet of a call is up to 20 ms away. A link that sends nothing has no timer.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/address.h"
#include "net/local_ranks.h"

namespace idloc {

class PathSet {
 public:
  static constexpr Nanoseconds kLongAgo = -kNever / 2;
  enum class State : uint8_t { kCandidate, kValid, kSuspect };
  enum class Cause : uint8_t {
    kSilence,  // the one before did not answer
    kGone,     // its local address is gone
    kPeer,     // the peer sends by it, or asked for it
    kBetter
  };

  // Link control (link_control.h): first byte, flags, nonce, records received on this path (4 bytes, wraps).
  static constexpr size_t kNonceBytes = 8;
  static constexpr size_t kRecordBytes = 1 + 1 + kNonceBytes + 4;
  // Zeros may follow: where the peer does not know that we are there, it may send three times what came (RFC
  // 9000 s8.1), which with these is a call's packets of more than a round trip of 100 ms.
  static constexpr size_t kPaddedBytes = 480;
  struct Outgoing {
    Path route;
    std::array<uint8_t, kRecordBytes> record;
    size_t padding = 0;  // bytes
  };

  struct Entry {
    Path route;
    State state = State::kCandidate;
    uint8_t preference = 0;
    // Nobody but the peer has named it: until it is proven it carries no more than three times what it
    // brought (RFC 9000 s8.1).
    bool from_peer = false;
    // Nor does JavaScript know the address: most likely a NAT has moved the peer there.
    bool stranger = false;
    // The peer wants us to send by it, once it is proven.
    bool wanted = false;
    // What it may carry before that beyond three times what it brought, on the peer's signed word.
    uint32_t credit_bytes = 0;
    // It fell silent while it was used, or the peer did not want it any more: until it has answered a few
    // times in a row it is not gone back to.
    bool left = false;
    uint8_t missed = 0;  // probes in a row
    uint8_t answers_in_row = 0;
    uint8_t samples = 0;       // of the round-trip time
    uint8_t newest_probe = 0;  // of `probes`
    bool waits = false;        // for the answer to the newest probe, until `due_at`
    uint32_t received = 0;     // records
    uint32_t sent = 0;         // records
    uint32_t told_sent = 0;    // of `sent`, when the last probe that was answered left
    uint32_t told_received = 0;
    float loss = 0;
    uint64_t received_bytes = 0;
    uint64_t sent_bytes = 0;
    Nanoseconds srtt = 0;  // 0: not known
    Nanoseconds rttvar = 0;
    Nanoseconds proven_at = kLongAgo;
    Nanoseconds due_at = kNever;  // the next probe, or when the one under way is late
    struct Probe {
      std::array<uint8_t, kNonceBytes> nonce{};
      Nanoseconds sent_at = kNever;
      uint32_t sent = 0;
    };
    // What answers late, answers.
    std::array<Probe, 4> probes{};
  };

  static constexpr uint8_t kUnknownPreference = 128;
  // Of a hop: a third member hands it on.
  static constexpr uint8_t kHopPreference = 32;

  // `datagram_bytes`: what a probe is as a datagram. `server`: of the two ends that follow each other, this
  // one waits longer. `ranks`: of the host's addresses, told of by `Lose` when they change; nullptr: all
  // alike.
  PathSet(bool server, size_t datagram_bytes, const LocalRanks* ranks = nullptr)
      : server_(server), probe_bytes_(datagram_bytes), ranks_(ranks) {}

  // JavaScript has chosen. Ignored when this path has just failed here and another one works.
  void Select(const Path& route, uint8_t preference, Nanoseconds now);
  // Another path may be there: probed at once. `expected`: and the peer is not where it was, as its offer or
  // the loss of our address tells. What is urgent goes there as well, some packets of it, before the nonce
  // has come back: a round trip earlier.
  void Add(const Path& route, uint8_t preference, Nanoseconds now, bool expected = false);
  // Consent is over (RFC 7675 s5.1): nothing is sent until another path is there.
  void Clear();
  // Whether the peer answers probes is to be known before nobody sends any more: else its silence says
  // nothing.
  void Ask(Nanoseconds now);
  // What this link carries for others has found no answer: its own path is asked, unless the peer was just
  // heard. True: there is something to do now.
  bool AskUnheard(Nanoseconds now) {
    if (active_ < 0 || !answers_ || Active()->waits || now - heard_at_ <= kQuiet) return false;
    AskActive(now);
    return true;
  }
  // Nothing has answered on the active path.
  bool in_doubt() const {
    return active_ >= 0 && entries_[static_cast<size_t>(active_)].state == State::kSuspect;
  }
  // Without a keepalive's answer: as a probe that is late.
  void Doubt(Nanoseconds now);
  // `usable` tells whether the local address of a route is there, and has a way out; `present` the former
  // alone.
  template <typename Usable, typename Present>
  void Lose(Usable usable, Present present, Nanoseconds now) {
    bool lost = false;
    const Path before = active() == nullptr ? Path{} : *active();
    for (size_t i = entries_.size(); i-- > 0;) {
      if (usable(entries_[i].route)) continue;
      lost = lost || static_cast<int>(i) == active_;
      Erase(i);
    }
    undone_ = 0;
    if (lost) {
      GoOnWithout(before, present(before), now);
    } else {
      AskAgain(now);
    }
  }

  // Records of programs were sent by the active path. True: there is something to do, or to wait for, now.
  bool Sent(size_t records, bool urgent, Nanoseconds now) {
    if (active_ < 0) return false;
    entries_[static_cast<size_t>(active_)].sent += static_cast<uint32_t>(records);
    if (urgent) {
      if (now - urgent_at_ > kStreamGap) run_since_ = now;
      urgent_at_ = now;
      newest_copied_ = std::exchange(copied_, false);
      lacks_active_ = lacks_spare_ = false;
    }
    bool begins = now - sent_at_ > kInUse;
    sent_at_ = program_sent_at_ = now;
    if (unheard_since_ != kNever) return false;
    unheard_since_ = now;
    if (begins) Begin(now);
    return true;
  }
  // Its copy, by the spare one, before `Sent` tells of it.
  void SentTwice(size_t bytes) {
    CountCopy(&entries_[static_cast<size_t>(spare_)], bytes);
    copied_ = true;
  }
  // Where the newest urgent record, `bytes` as a datagram, goes as well, since it left before that way was
  // open, and most likely came to nothing; nullptr: nowhere. Once for each way; ask again until there is
  // none.
  const Path* TakeAgain(size_t bytes, Nanoseconds now);
  // Once each time: data goes another way, or what is urgent goes to where the peer is by now, as well. What
  // is inside of records that left before, and is repeated at long intervals, is to be repeated.
  bool TakeOpened() { return std::exchange(opened_, false); }
  // The link with the member `relay`, which hands on what goes by hops, has opened such a way. True: there is
  // something to do now.
  bool AskHopsAgain(const IpAddress& relay, Nanoseconds now);
  // An authentic record came by the active path, to `route.local`. True as above.
  bool HeardActive(const Path& route, Nanoseconds now) {
    // Of a link that was dialed: now it is known which one the kernel takes, and no other stands for it.
    if (Active()->route.local.unset() && !route.local.unset() && !unproven_) LearnLocal(route);
    Entry& entry = entries_[static_cast<size_t>(active_)];
    entry.received++;
    stream_ = now - stream_heard_at_ > kStreamGap ? 0 : std::min(stream_ + 1, kStream + 1);
    heard_at_ = stream_heard_at_ = now;
    unheard_since_ = kNever;
    if (overdue_) EndOverdue();
    if (entry.state != State::kValid) EndSuspicion(&entry);
    return stream_ == kStream;
  }
  // Whether what came by `route` came by the active path.
  bool IsActive(const Path& route) const {
    return active_ >= 0 && Matches(entries_[static_cast<size_t>(active_)].route, route);
  }
  // Whether `Heard` need not be told who is there.
  bool Knows(const Path& route) { return Find(route) != nullptr; }
  // One came by another. `newest`: it is no probe, and no record that came before has a higher number.
  // `stranger`: an address that JavaScript does not know of either.
  void Heard(const Path& route, size_t bytes, bool newest, bool stranger, Nanoseconds now);
  // The first kRecordBytes of a record. The answer is to leave by the same route.
  std::array<uint8_t, kRecordBytes> Probed(const Path& route, const uint8_t* record, Nanoseconds now);
  void Answered(const Path& route, const uint8_t* record, Nanoseconds now);

  // Probes to send now; call after anything above.
  bool Poll(Outgoing* out);
  // kNever: none.
  Nanoseconds NextTimeout() const;
  void HandleTimeout(Nanoseconds now);

  const Path* active() const { return active_ < 0 ? nullptr : &entries_[static_cast<size_t>(active_)].route; }
  // Where an urgent record of `bytes` as a datagram goes as well; nullptr: nowhere.
  const Path* SpareFor(size_t bytes) const {
    if (spare_ < 0) [[likely]]
      return nullptr;
    const Entry& entry = entries_[static_cast<size_t>(spare_)];
    // With room for a probe: it is the answer to that which counts.
    bool may = entry.state != State::kCandidate || MayCarry(entry, bytes + probe_bytes_);
    return may ? &entry.route : nullptr;
  }
  // When something urgent was last sent.
  Nanoseconds urgent_at() const { return urgent_at_; }
  // When programs last sent.
  Nanoseconds sent_at() const { return program_sent_at_; }
  const std::vector<Entry>& entries() const { return entries_; }
  // The active path is another one, and has proven to work.
  std::optional<Cause> TakeSwitched();
  // Once: programs send, the active path is silent, and no other one answers. An end that only receives
  // leaves it to the other to look for new ones: both at once would be in each other's way.
  bool TakeNoPath();
  // Once each time: the only path there is does not answer, whoever sends. Others may see this host elsewhere
  // by now.
  bool TakeUnheard();

 private:
  static constexpr size_t kMaxValid = 4;
  static constexpr size_t kMaxCandidates = 4;
  // A link is in use so long after its last packet.
  static constexpr Nanoseconds kInUse = 2 * kSecond;
  // Unheard for so long, with something urgent or in both directions; else.
  static constexpr Nanoseconds kQuiet = 40 * kMillisecond;
  static constexpr Nanoseconds kOneWayQuiet = kSecond;
  // So many records with no longer gaps are a stream, and its sudden end is a silence as well.
  static constexpr int kStream = 8;
  static constexpr Nanoseconds kStreamGap = 50 * kMillisecond;
  static constexpr Nanoseconds kStreamSilence = 80 * kMillisecond;
  static constexpr Nanoseconds kUnknownRtt = 100 * kMillisecond;
  static constexpr Nanoseconds kGranularity = 20 * kMillisecond;
  static constexpr Nanoseconds kLongestLate = kSecond;
  static constexpr int kMaxCandidateProbes = 4;
  static constexpr int kLeastMissed = 8;  // of a path that is forgotten
  static constexpr Nanoseconds kCandidateInterval = 50 * kMillisecond;
  static constexpr Nanoseconds kSpareInterval = 5 * kSecond;  // keeps NATs open as well
  static constexpr uint8_t kFewSamples = 5;
  static constexpr Nanoseconds kSampleInterval = 200 * kMillisecond;
  static constexpr Nanoseconds kReturnInterval = kSecond;  // of one that is better than the active one
  static constexpr Nanoseconds kFreshProof = 6 * kSecond;  // it is used without asking again
  static constexpr Nanoseconds kConsent = 30 * kSecond;    // RFC 7675 s5.1
  static constexpr Nanoseconds kReturnHold = 3 * kSecond;  // hysteresis
  static constexpr uint8_t kReturnAnswers = 3;
  static constexpr Nanoseconds kAnnounce = kSecond;
  // On the word of an offer, which is longer than a third of this (RFC 9000 s8.1): a call's packets of more
  // than a round trip of 100 ms.
  static constexpr uint32_t kExpectedBytes = 1'500;
  // Two ends that follow each other's packets would swap for ever.
  static constexpr Nanoseconds kFollowHold = 100 * kMillisecond;
  static constexpr Nanoseconds kServerFollowHold = 300 * kMillisecond;
  static constexpr int kMostSwaps = 3;
  // A direct path takes over from a relayed one at once.
  static constexpr uint8_t kDirect = 128;

  // Flags of a probe.
  static constexpr uint8_t kSendsHere = 0x01;
  static constexpr uint8_t kSendHereToo = 0x02;
  // By this path, which I use, nothing has come for kQuiet.
  static constexpr uint8_t kHearNothing = 0x04;

  // An unset local address stands for whichever the kernel takes.
  static bool Matches(const Path& own, const Path& route) {
    return own.remote == route.remote && (own.local.unset() || own.local == route.local);
  }
  Entry* Find(const Path& route);
  Entry* FindExactly(const Path& route);
  Entry* Active() { return active_ < 0 ? nullptr : &entries_[static_cast<size_t>(active_)]; }
  bool InUse(Nanoseconds now) const { return now - sent_at_ <= kInUse; }
  Nanoseconds Quiet(Nanoseconds now) const;
  static Nanoseconds Late(const Entry& entry);
  static Nanoseconds Backoff(const Entry& entry);
  Entry* Insert(const Path& route, State state, uint8_t preference, Nanoseconds now);
  void Erase(size_t index);
  Entry* MakeActive(Entry* entry);
  void MakeRoom(State state);
  void Begin(Nanoseconds now);
  void Compare(const Path& route, uint8_t preference, Nanoseconds now);
  // As if programs had sent: when it does not answer, it is left.
  void AskActive(Nanoseconds now);
  void SendProbe(Entry* entry, Nanoseconds now);
  // A call comes, and nothing of one is sent: the peer has something to send that cannot wait.
  bool HearsCallOnly(Nanoseconds now) const {
    return (stream_ >= kStream || overdue_) && now - urgent_at_ > kInUse;
  }
  void ForgetSwaps() {
    following_wish_ = false;
    swaps_ = undone_ = 0;
    last_cause_ = Cause::kSilence;
  }
  // RFC 9000 s8.1, of one that is not proven.
  static bool MayCarry(const Entry& entry, size_t bytes) {
    return entry.sent_bytes + bytes <= 3 * entry.received_bytes + entry.credit_bytes;
  }
  // None has just left that may be answered still.
  static bool MayProbe(const Entry& entry, Nanoseconds now);
  void Missed(Entry* entry, Nanoseconds now);
  void Suspect(Nanoseconds now);
  void EndSuspicion(Entry* entry);
  void EndOverdue();
  // The peer hears nothing by the active path.
  void ToldUnheard(Nanoseconds now);
  void Sample(Entry* entry, const Entry::Probe& probe, const uint8_t* record, Nanoseconds now);
  void Switch(Entry* entry, Cause cause, Nanoseconds now);
  // Before it becomes the active one.
  void GoBy(const Entry* entry);
  // The network is another one: what did not answer may do so.
  void AskAgain(Nanoseconds now) {
    for (Entry& entry : entries_) AskAgain(&entry, now);
  }
  bool AskAgain(Entry* entry, Nanoseconds now);
  // The kernel's choice of a local address for the active path was this one.
  void LearnLocal(const Path& route);
  void GoOnWithout(const Path& before, bool present, Nanoseconds now);
  // Of a path whose address is gone, the way from wherever the kernel sends it.
  static bool HasGuess(const Path& before) { return !before.local.unset() && !before.is_hop(); }
  void ChooseSpare();
  int FindSpare();
  static void CountCopy(Entry* entry, size_t bytes) {
    entry->sent++;
    entry->sent_bytes += bytes;
  }
  Entry* BestOther();
  bool MayFollow(Nanoseconds now) const;
  bool IsBetter(const Entry& entry, const Entry& than) const;
  // Alike but for the uplink, which is a better one: that only this end knows.
  bool HasBetterUplink(const Entry& entry, const Entry& than) const;
  uint8_t RankOf(const Entry& entry) const { return ranks_ == nullptr ? 0 : ranks_->Of(entry.route.local); }
  bool MayReturn(const Entry& entry, const Entry& used, Nanoseconds now) const;
  void ConsiderNoPath(Nanoseconds now);
  // When the silence of the peer, up to now, is long enough for a probe.
  Nanoseconds SilenceAt() const;

  bool server_;
  size_t probe_bytes_;
  const LocalRanks* ranks_;
  std::vector<Entry> entries_;
  std::vector<Outgoing> outgoing_;
  int active_ = -1;
  int spare_ = -1;
  bool answers_ = false;         // the peer knows probes: silence means something
  bool following_ = false;       // the last switch was the peer's wish
  bool following_wish_ = false;  // which it has said, between paths that both ends know
  Cause last_cause_ = Cause::kSilence;
  int swaps_ = 0;       // in a row we have followed the peer to another path
  uint8_t undone_ = 0;  // how often, as things are, we went to a better one and the peer wanted another
  bool no_path_told_ = false;
  bool no_path_ = false;
  bool unheard_ = false;
  bool unheard_told_ = false;
  bool unproven_ = false;  // the active path is a guess, that nobody was told of
  int stream_ = 0;         // records of one that comes in
  bool overdue_ = false;   // such a one has stopped, and nothing is known of it
  // Of the newest urgent record: a copy has left by the spare path, or has yet to leave by one that is new.
  bool copied_ = false;  // the one that `Sent` has yet to tell of
  bool newest_copied_ = false;
  bool lacks_active_ = false;
  bool lacks_spare_ = false;
  bool opened_ = false;
  std::optional<Cause> switched_;
  Nanoseconds unheard_since_ = kNever;
  Nanoseconds heard_at_ = kLongAgo;
  Nanoseconds stream_heard_at_ = kLongAgo;  // anything by the active path, no probes by others
  Nanoseconds sent_at_ = kLongAgo;
  Nanoseconds program_sent_at_ = kLongAgo;
  Nanoseconds urgent_at_ = kLongAgo;
  Nanoseconds run_since_ = kLongAgo;  // urgent records without longer gaps than kStreamGap
  Nanoseconds deaf_until_ = kNever;   // the peer has not heard those: it will do something by then
  Nanoseconds switched_at_ = kLongAgo;
  Nanoseconds announce_until_ = kLongAgo;
};

}  // namespace idloc
