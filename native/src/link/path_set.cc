#include "link/path_set.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "link/link_control.h"

namespace idloc {

namespace {

constexpr size_t kFlagsAt = 1;
constexpr size_t kNonceAt = 2;
constexpr size_t kReceivedAt = kNonceAt + PathSet::kNonceBytes;

}  // namespace

void PathSet::Select(const Path& route, uint8_t preference, Nanoseconds now) {
  Entry* entry = FindExactly(route);
  Entry* active = Active();
  // Which address the kernel takes has been seen meanwhile.
  bool same_remote = active != nullptr && active->route.remote == route.remote;
  if (entry == nullptr && same_remote && route.local.unset()) entry = active;
  // Or JavaScript says it first.
  if (entry == nullptr && same_remote && active->route.local.unset() && !unproven_ && active->missed == 0) {
    entry = active;
    entry->route = route;
  }
  if (entry != nullptr && entry == active && !unproven_) {
    entry->preference = preference;
    return;
  }
  // JavaScript does not know yet that we have just left it: it was silent, or the peer was not there any
  // more.
  const Entry* used = Active();
  bool works =
      used != nullptr && used->state == State::kValid && answers_ && now - used->proven_at <= kConsent;
  bool left = entry != nullptr && (entry->missed > 0 || (following_ && entry->proven_at < switched_at_));
  if (works && (left || preference < used->preference)) {
    switched_ = Cause::kSilence;
    if (preference < used->preference) Compare(route, preference, now);
    return;
  }
  if (entry == nullptr) {
    MakeRoom(State::kValid);
    entry = Insert(route, State::kValid, preference, now);
  }
  entry->preference = preference;
  entry->state = State::kValid;
  entry->from_peer = false;
  entry->wanted = false;
  GoBy(entry);
  entry = MakeActive(entry);
  following_ = false;
  ForgetSwaps();
  unproven_ = false;
  no_path_told_ = unheard_told_ = false;
  heard_at_ = stream_heard_at_ = switched_at_ = now;
  unheard_since_ = kNever;
  ChooseSpare();
  if (InUse(now)) SendProbe(entry, now);
}

// Both ends may have chosen the worse one since the better one is of no use any more: where nothing is sent,
// nobody would find that out.
void PathSet::Compare(const Path& route, uint8_t preference, Nanoseconds now) {
  Add(route, preference, now);
  AskActive(now);
}

void PathSet::AskActive(Nanoseconds now) {
  sent_at_ = unheard_since_ = now;
  Entry* used = Active();
  if (!used->waits) SendProbe(used, now);
}

void PathSet::Add(const Path& route, uint8_t preference, Nanoseconds now, bool expected) {
  // One whose local address is the kernel's choice is another one, until it is seen what that is.
  Entry* entry = FindExactly(route);
  if (entry == nullptr) {
    MakeRoom(State::kCandidate);
    entry = Insert(route, State::kCandidate, preference, now);
  }
  entry->preference = preference;
  entry->from_peer = false;
  if (entry->state == State::kCandidate) {
    entry->missed = 0;
    if (expected) {
      entry->wanted = true;
      entry->credit_bytes = std::max(entry->credit_bytes, kExpectedBytes);
    }
    if (!entry->waits) SendProbe(entry, now);
  } else if (entry->state == State::kSuspect && !entry->waits) {
    // Something has changed there.
    SendProbe(entry, now);
  }
  // Nobody looks for a worse one unless there is doubt.
  const Entry* used = Active();
  bool is_quiet = used != nullptr && now - heard_at_ > kReturnInterval;
  if (is_quiet && preference < used->preference) AskActive(now);
  ChooseSpare();
}

void PathSet::Clear() {
  if (active_ >= 0 && Active()->route.local.unset()) Erase(static_cast<size_t>(active_));
  active_ = spare_ = -1;
  unproven_ = following_ = overdue_ = false;
  ForgetSwaps();
  deaf_until_ = kNever;
  unheard_since_ = kNever;
}

void PathSet::Ask(Nanoseconds now) {
  if (active_ >= 0 && !answers_ && !Active()->waits) SendProbe(Active(), now);
}

void PathSet::Doubt(Nanoseconds now) {
  if (active_ < 0 || !answers_) return;
  sent_at_ = now;
  Suspect(now);
}

PathSet::Entry* PathSet::FindExactly(const Path& route) {
  for (Entry& entry : entries_) {
    if (entry.route == route) return &entry;
  }
  return nullptr;
}

PathSet::Entry* PathSet::Find(const Path& route) {
  if (Entry* exact = FindExactly(route); exact != nullptr) return exact;
  for (Entry& entry : entries_) {
    if (Matches(entry.route, route)) return &entry;
  }
  return nullptr;
}

Nanoseconds PathSet::Quiet(Nanoseconds now) const {
  bool quick = now - urgent_at_ <= kInUse || now - heard_at_ <= kInUse;
  return quick ? kQuiet : kOneWayQuiet;
}

Nanoseconds PathSet::Late(const Entry& entry) {
  Nanoseconds late = entry.srtt == 0 ? kUnknownRtt : entry.srtt + 4 * entry.rttvar;
  return std::min(late + kGranularity, kLongestLate);
}

Nanoseconds PathSet::Backoff(const Entry& entry) {
  Nanoseconds first = entry.state == State::kCandidate ? kCandidateInterval : Late(entry);
  int doublings = std::min<int>(std::max(entry.missed - 1, 0), 6);
  return std::min(first << doublings, kLongestLate);
}

PathSet::Entry* PathSet::Insert(const Path& route, State state, uint8_t preference, Nanoseconds now) {
  Entry entry;
  entry.route = route;
  entry.state = state;
  entry.preference = preference;
  // JavaScript's checks have proven it; its nonce has not come back.
  if (state == State::kValid) entry.proven_at = now;
  entries_.push_back(entry);
  return &entries_.back();
}

void PathSet::Erase(size_t index) {
  entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(index));
  auto moved = [index](int* which) {
    if (*which == static_cast<int>(index)) {
      *which = -1;
    } else if (*which > static_cast<int>(index)) {
      --*which;
    }
  };
  moved(&active_);
  moved(&spare_);
}

PathSet::Entry* PathSet::MakeActive(Entry* entry) {
  int before = std::exchange(active_, static_cast<int>(entry - entries_.data()));
  overdue_ = false;
  deaf_until_ = kNever;
  // Left, the kernel's choice may be any by now: it would stand for others that are tried.
  if (before >= 0 && before != active_ && entries_[static_cast<size_t>(before)].route.local.unset())
    Erase(static_cast<size_t>(before));
  return Active();
}

void PathSet::MakeRoom(State state) {
  auto is_of = [state](const Entry& entry) {
    return (entry.state == State::kCandidate) == (state == State::kCandidate);
  };
  size_t most = state == State::kCandidate ? kMaxCandidates : kMaxValid;
  for (;;) {
    size_t count = 0;
    size_t worst = entries_.size();
    for (size_t i = 0; i < entries_.size(); i++) {
      if (!is_of(entries_[i])) continue;
      count++;
      if (static_cast<int>(i) == active_) continue;
      // The peer's own tries give way first, then the oldest of those that are preferred least.
      bool worse = worst == entries_.size() || (entries_[i].from_peer && !entries_[worst].from_peer) ||
                   (entries_[i].from_peer == entries_[worst].from_peer &&
                    entries_[i].preference < entries_[worst].preference);
      if (worse) worst = i;
    }
    if (count < most || worst == entries_.size()) return;
    Erase(worst);
  }
}

void PathSet::Begin(Nanoseconds now) {
  unheard_since_ = now;
  Entry* used = Active();
  // How long an answer takes is to be known before the first silence; the others may have been forgotten by
  // the NATs on their way.
  if (now - used->proven_at > kFreshProof || used->srtt == 0) SendProbe(used, now);
  for (Entry& entry : entries_) {
    if (&entry != Active() && entry.state != State::kCandidate && !entry.waits) SendProbe(&entry, now);
  }
}

void PathSet::SendProbe(Entry* entry, Nanoseconds now) {
  if (entry->from_peer && entry->proven_at == kLongAgo && !MayCarry(*entry, probe_bytes_)) {
    entry->waits = false;
    entry->due_at = kNever;
    return;
  }
  entry->newest_probe = static_cast<uint8_t>((entry->newest_probe + 1) % entry->probes.size());
  Entry::Probe& probe = entry->probes[entry->newest_probe];
  if (RAND_bytes(probe.nonce.data(), kNonceBytes) != 1) return;
  probe.sent_at = now;
  probe.sent = ++entry->sent;
  entry->waits = true;
  entry->due_at = now + std::max(Late(*entry), Backoff(*entry));
  Outgoing out;
  out.route = entry->route;
  out.record[0] = kPathProbe;
  bool is_active = entry == Active();
  out.record[kFlagsAt] = is_active ? kSendsHere : 0;
  // By a guess nobody is told of anything where no route leads to it.
  bool announces = is_active ? now < announce_until_ : unproven_ && entry->wanted;
  if (announces) out.record[kFlagsAt] |= kSendHereToo;
  bool hears_nothing = is_active && now - stream_heard_at_ >= kQuiet;
  if (hears_nothing) out.record[kFlagsAt] |= kHearNothing;
  // Most likely it comes from where the peer does not know us to be. What is urgent of ours brings as much by
  // itself. The next one is short again: peers of earlier versions know no other.
  bool is_strange = hears_nothing || (announces && entry->proven_at == kLongAgo);
  bool may_pad = entry->missed == 0 && !entry->from_peer && !entry->route.is_hop();
  if (is_strange && may_pad && HearsCallOnly(now)) out.padding = kPaddedBytes - kRecordBytes;
  entry->sent_bytes += probe_bytes_ + out.padding;
  std::memcpy(&out.record[kNonceAt], probe.nonce.data(), kNonceBytes);
  StoreBe32(&out.record[kReceivedAt], entry->received);
  outgoing_.push_back(out);
}

bool PathSet::MayProbe(const Entry& entry, Nanoseconds now) {
  return !entry.waits || now - entry.probes[entry.newest_probe].sent_at >= 2 * kCandidateInterval;
}

bool PathSet::Poll(Outgoing* out) {
  if (outgoing_.empty()) return false;
  *out = outgoing_.front();
  outgoing_.erase(outgoing_.begin());
  return true;
}

void PathSet::Heard(const Path& route, size_t bytes, bool newest, bool stranger, Nanoseconds now) {
  heard_at_ = now;
  if (newest) stream_heard_at_ = now;
  Entry* entry = Find(route);
  if (entry == nullptr) {
    MakeRoom(State::kCandidate);
    entry = Insert(route, State::kCandidate, 0, now);
    entry->from_peer = true;
    entry->stranger = stranger;
    // Where a NAT has put it, the path is as good as the one before.
    const Entry* before = Active();
    if (route.is_hop()) {
      entry->preference = kHopPreference;
    } else if (before != nullptr) {
      entry->preference = before->route.is_hop() ? kUnknownPreference : before->preference;
    }
  }
  entry->received++;
  entry->received_bytes += bytes;
  // From where JavaScript knows it, the peer may send what it likes; unless we are going after it.
  bool moved_there = entry->stranger && entry->state == State::kCandidate;
  // It has been proven, and ours is in doubt.
  Entry* used = Active();
  if (newest && used != nullptr && used->state == State::kSuspect && entry->state != State::kCandidate &&
      now - entry->proven_at <= kConsent && MayFollow(now)) {
    entry->state = State::kValid;
    Switch(entry, Cause::kPeer, now);
    return;
  }
  bool follow = newest && (moved_there || following_ || active_ < 0);
  if (follow && MayFollow(now)) entry->wanted = true;
  bool asks = newest && (entry->wanted || entry->state == State::kCandidate);
  if (asks && MayProbe(*entry, now)) SendProbe(entry, now);
  ChooseSpare();
}

std::array<uint8_t, PathSet::kRecordBytes> PathSet::Probed(const Path& route, const uint8_t* record,
                                                           Nanoseconds now) {
  std::array<uint8_t, kRecordBytes> answer;
  std::memcpy(answer.data(), record, kRecordBytes);
  answer[0] = kPathProbeAnswer;
  answers_ = true;
  answer[kFlagsAt] = IsActive(route) ? kSendsHere : 0;
  Entry* entry = Find(route);
  StoreBe32(&answer[kReceivedAt], entry == nullptr ? 0 : entry->received);
  if (entry == nullptr) return answer;
  entry->sent++;
  if (IsActive(route)) {
    if ((record[kFlagsAt] & kHearNothing) != 0) ToldUnheard(now);
    return answer;
  }
  bool asked = (record[kFlagsAt] & kSendHereToo) != 0;
  if (asked && entry->state == State::kValid && now - entry->proven_at <= kFreshProof) {
    Switch(entry, Cause::kPeer, now);
    return answer;
  }
  bool moved_there =
      entry->stranger && entry->state == State::kCandidate && (record[kFlagsAt] & kSendsHere) != 0;
  if (asked || moved_there) entry->wanted = true;
  if ((entry->wanted || entry->state == State::kCandidate) && MayProbe(*entry, now)) SendProbe(entry, now);
  ChooseSpare();
  return answer;
}

void PathSet::ToldUnheard(Nanoseconds now) {
  const Entry* used = Active();
  // What it should have heard while it was waiting.
  Nanoseconds looked_at = now - used->srtt - kQuiet;
  if (used->srtt == 0 || run_since_ > looked_at || urgent_at_ < looked_at) return;
  deaf_until_ = now + 2 * Late(*used);
  ChooseSpare();
}

void PathSet::Answered(const Path& route, const uint8_t* record, Nanoseconds now) {
  Entry* entry = Find(route);
  if (entry == nullptr) return;
  Entry::Probe* answered = nullptr;
  for (Entry::Probe& probe : entry->probes) {
    if (probe.sent_at != kNever && now - probe.sent_at < kConsent &&
        CRYPTO_memcmp(probe.nonce.data(), record + kNonceAt, kNonceBytes) == 0)
      answered = &probe;
  }
  if (answered == nullptr) return;
  Sample(entry, *answered, record, now);
  *answered = {};
  answers_ = true;
  bool was_candidate = entry->state == State::kCandidate;
  if (was_candidate) {
    // While it is still a candidate, so that it does not give way itself.
    Path kept = entry->route;
    MakeRoom(State::kValid);
    entry = Find(kept);
  }
  entry->state = State::kValid;
  entry->proven_at = now;
  entry->missed = 0;
  entry->waits = false;
  entry->answers_in_row = static_cast<uint8_t>(std::min(entry->answers_in_row + 1, 255));
  entry->due_at = now + (entry->samples < kFewSamples ? kSampleInterval : kSpareInterval);
  no_path_told_ = unheard_told_ = false;
  Entry* used = Active();
  if (entry == used) {
    unheard_since_ = kNever;
    heard_at_ = stream_heard_at_ = now;
    EndOverdue();
    if (unproven_) {
      // The guess was right.
      unproven_ = false;
      switched_ = Cause::kGone;
      LearnLocal(route);
    }
    return;
  }
  if (entry->answers_in_row >= kReturnAnswers) entry->left = false;
  if (used == nullptr || used->state == State::kSuspect) {
    Switch(entry, used != nullptr && unproven_ ? Cause::kGone : Cause::kSilence, now);
  } else if (entry->wanted) {
    Switch(entry, Cause::kPeer, now);
  } else if (MayReturn(*entry, *used, now)) {
    // Not to one after the other, each better than the one before.
    for (Entry& other : entries_) {
      bool may =
          other.state == State::kValid && now - other.proven_at <= kFreshProof && !other.route.local.unset();
      if (may && IsBetter(other, *entry) && MayReturn(other, *used, now)) entry = &other;
    }
    Switch(entry, Cause::kBetter, now);
  } else {
    if (IsBetter(*entry, *used)) entry->due_at = std::min(entry->due_at, now + kReturnInterval);
    ChooseSpare();
  }
}

void PathSet::LearnLocal(const Path& route) {
  // It may be one that JavaScript has found as well.
  for (size_t i = entries_.size(); i-- > 0;) {
    if (static_cast<int>(i) != active_ && entries_[i].route == route) {
      Active()->preference = entries_[i].preference;
      Erase(i);
    }
  }
  Active()->route = route;
}

void PathSet::Sample(Entry* entry, const Entry::Probe& probe, const uint8_t* record, Nanoseconds now) {
  // RFC 6298 s2, with less doubt at the beginning: it would be in the way until more is known.
  entry->samples = static_cast<uint8_t>(std::min(entry->samples + 1, 255));
  Nanoseconds rtt = std::max<Nanoseconds>(now - probe.sent_at, 1);
  if (entry->srtt == 0) {
    entry->srtt = rtt;
    entry->rttvar = rtt / 4;
  } else {
    Nanoseconds error = rtt > entry->srtt ? rtt - entry->srtt : entry->srtt - rtt;
    entry->rttvar += (error - entry->rttvar) / 4;
    entry->srtt += (rtt - entry->srtt) / 8;
  }
  uint32_t received = LoadBe32(record + kReceivedAt);
  uint32_t left = probe.sent - entry->told_sent;
  uint32_t came = received - entry->told_received;
  entry->told_sent = probe.sent;
  entry->told_received = received;
  // A peer that counts anew, or an older answer, says nothing.
  if (left == 0 || left > UINT32_MAX / 2 || came > left) return;
  float lost = 1.0F - static_cast<float>(came) / static_cast<float>(left);
  entry->loss += (lost - entry->loss) / 8;
}

bool PathSet::HasBetterUplink(const Entry& entry, const Entry& than) const {
  return entry.preference == than.preference && RankOf(entry) < RankOf(than);
}

bool PathSet::IsBetter(const Entry& entry, const Entry& than) const {
  return entry.preference > than.preference || HasBetterUplink(entry, than);
}

bool PathSet::MayReturn(const Entry& entry, const Entry& used, Nanoseconds now) const {
  if (!IsBetter(entry, used)) return false;
  if (entry.preference / kDirect > used.preference / kDirect) return true;
  // Two that each have a better one would never agree: this end has tried, and the peer has not stayed there.
  // Among its own addresses it may choose once more.
  bool same_remote = entry.route.remote == used.route.remote;
  if (server_ && undone_ > (same_remote ? 1 : 0)) return false;
  if (HasBetterUplink(entry, used)) {
    // The peer has wished for its end of this one: two that insist, each on its own, would never agree.
    if (following_wish_ && !same_remote) return false;
    // An uplink that has just come up is to be used before the other one is gone.
    if (!entry.left) return true;
  }
  return now - switched_at_ >= kReturnHold && entry.answers_in_row >= kReturnAnswers;
}

bool PathSet::MayFollow(Nanoseconds now) const {
  return !following_wish_ || now - switched_at_ >= (server_ ? kServerFollowHold : kFollowHold) << swaps_;
}

void PathSet::Switch(Entry* entry, Cause cause, Nanoseconds now) {
  Entry* before = Active();
  if (before == entry) return;
  bool by_uplink = before != nullptr && cause == Cause::kBetter && HasBetterUplink(*entry, *before);
  GoBy(entry);
  if (before != nullptr) {
    before->left = cause == Cause::kSilence || cause == Cause::kPeer;
    before->answers_in_row = 0;
    before->wanted = false;
    if (!before->waits) before->due_at = now + kReturnInterval;
    // Not because it has failed or the peer has moved.
    bool undoes = cause == Cause::kPeer && last_cause_ == Cause::kBetter && now - switched_at_ <= kConsent &&
                  before->state == State::kValid && !entry->stranger;
    if (undoes) undone_ = static_cast<uint8_t>(std::min(undone_ + 1, 255));
  }
  entry = MakeActive(entry);
  entry->wanted = false;
  entry->waits = false;
  // Ever longer stays end what two that follow each other would go on with for ever.
  bool swaps = following_wish_ && cause == Cause::kPeer && now - switched_at_ < (kReturnHold << swaps_);
  swaps_ = swaps ? std::min(swaps_ + 1, kMostSwaps) : 0;
  last_cause_ = cause;
  following_ = cause == Cause::kPeer;
  following_wish_ = following_ && !entry->stranger;
  // JavaScript is told of it now: the next time it is a path among others, that both ends may swap for ever.
  entry->stranger = false;
  unproven_ = false;
  switched_ = cause;
  switched_at_ = heard_at_ = stream_heard_at_ = now;
  unheard_since_ = kNever;
  ChooseSpare();
  if (following_) return;
  // What is better here need not be so for the other end: two that insist would never agree. An uplink is
  // for both directions.
  if (cause != Cause::kBetter || by_uplink) announce_until_ = now + kAnnounce;
  SendProbe(entry, now);
}

void PathSet::GoBy(const Entry* entry) {
  const Entry* before = Active();
  // Where the peer is now alone, or beside one that is in doubt, what left last may not have got there.
  bool was_spare = spare_ >= 0 && entry == &entries_[static_cast<size_t>(spare_)];
  bool in_doubt = before == nullptr || before->state == State::kSuspect;
  lacks_active_ = was_spare ? !newest_copied_ : in_doubt;
  opened_ = true;
}

const Path* PathSet::TakeAgain(size_t bytes, Nanoseconds now) {
  bool by_active = std::exchange(lacks_active_, false) && active_ >= 0;
  if (!by_active && (!std::exchange(lacks_spare_, false) || SpareFor(bytes) == nullptr)) return nullptr;
  // Nobody waits for it any more.
  if (now - urgent_at_ > kStreamGap) return nullptr;
  if (!by_active) newest_copied_ = true;
  Entry* entry = &entries_[static_cast<size_t>(by_active ? active_ : spare_)];
  CountCopy(entry, bytes);
  return &entry->route;
}

void PathSet::GoOnWithout(const Path& before, bool present, Nanoseconds now) {
  Entry* best = BestOther();
  // A relay is not asked to carry what is not in use: a host that moves may have a thousand such links.
  bool in_use = now - std::max(program_sent_at_, heard_at_) <= kInUse;
  if (best != nullptr && (in_use || !best->route.is_hop())) {
    bool relayed = best->route.is_hop();
    Switch(best, Cause::kGone, now);
    // Most likely the peer is still where it was.
    if (relayed && HasGuess(before)) Add({{}, before.remote}, kUnknownPreference, now);
    return;
  }
  if (!HasGuess(before)) return;
  // From wherever the kernel sends it: the peer is still where it was, and goes after us.
  Entry* entry = FindExactly({{}, before.remote});
  if (entry == nullptr) entry = Insert({{}, before.remote}, State::kSuspect, 0, now);
  entry->state = State::kSuspect;
  entry = MakeActive(entry);
  following_ = false;
  ForgetSwaps();
  unproven_ = true;
  switched_at_ = now;
  announce_until_ = now + kAnnounce;
  unheard_since_ = now;
  spare_ = -1;
  SendProbe(entry, now);
  // The NAT of the peer may not let us in from there. JavaScript, which can tell the peer of us, has a move
  // of its own to see to when the address is another one, and would notice nothing else.
  if (present && now - program_sent_at_ <= kInUse) no_path_told_ = no_path_ = true;
}

bool PathSet::AskAgain(Entry* entry, Nanoseconds now) {
  bool is_active = entry == Active();
  bool is_doubtful = entry->state == State::kSuspect && (is_active || InUse(now));
  // It may have become the better one.
  bool may_return = active_ >= 0 && entry->state == State::kValid && InUse(now) &&
                    IsBetter(*entry, *Active()) && MayProbe(*entry, now);
  // A probe that left between two addresses has gone nowhere.
  if (!is_doubtful && !may_return && !(is_active && entry->waits)) return false;
  entry->missed = std::min<uint8_t>(entry->missed, 1);
  SendProbe(entry, now);
  return true;
}

bool PathSet::AskHopsAgain(const IpAddress& relay, Nanoseconds now) {
  bool asked = false;
  for (Entry& entry : entries_) {
    if (entry.route.is_hop() && entry.route.local == relay) asked = AskAgain(&entry, now) || asked;
  }
  return asked;
}

PathSet::Entry* PathSet::BestOther() {
  Entry* best = nullptr;
  for (Entry& entry : entries_) {
    // The kernel's choice is another one by now.
    if (&entry == Active() || entry.state != State::kValid || entry.route.local.unset()) continue;
    if (best == nullptr || IsBetter(entry, *best) || (!IsBetter(*best, entry) && entry.srtt < best->srtt))
      best = &entry;
  }
  return best;
}

void PathSet::ChooseSpare() {
  int spare = FindSpare();
  if (spare >= 0 && spare != spare_) {
    lacks_spare_ = true;
    newest_copied_ = false;
    // While a path is in mere doubt, what is inside has doubts of its own.
    opened_ = opened_ || entries_[static_cast<size_t>(spare)].state == State::kCandidate;
  }
  spare_ = spare;
}

int PathSet::FindSpare() {
  const Entry* used = Active();
  if (used == nullptr) return -1;
  bool is_suspect = used->state == State::kSuspect;
  if (!unproven_ && (is_suspect || overdue_ || deaf_until_ != kNever)) {
    const Entry* other = BestOther();
    // A relay is not asked to carry more on a mere doubt.
    if (other != nullptr && (is_suspect || !other->route.is_hop()))
      return static_cast<int>(other - entries_.data());
  }
  // Most likely the peer is there alone, and its answer takes a round trip more.
  // What has brought something is more than a word.
  int spare = -1;
  for (size_t i = 0; i < entries_.size(); i++) {
    if (!entries_[i].wanted || entries_[i].state != State::kCandidate) continue;
    if (spare < 0 || entries_[i].received > 0 || entries_[static_cast<size_t>(spare)].received == 0)
      spare = static_cast<int>(i);
  }
  return spare;
}

void PathSet::Suspect(Nanoseconds now) {
  Entry* used = Active();
  if (used->state == State::kSuspect) return;
  used->state = State::kSuspect;
  undone_ = 0;
  for (Entry& entry : entries_) {
    if (!entry.waits || entry.state == State::kValid) SendProbe(&entry, now);
  }
  ChooseSpare();
}

void PathSet::EndSuspicion(Entry* entry) {
  // A guess is confirmed by its nonce only.
  if (unproven_) return;
  entry->state = State::kValid;
  entry->missed = 0;
  entry->waits = false;
  entry->due_at = heard_at_ + kSpareInterval;
  no_path_told_ = unheard_told_ = false;
  ChooseSpare();
}

void PathSet::EndOverdue() {
  overdue_ = false;
  ChooseSpare();
}

void PathSet::Missed(Entry* entry, Nanoseconds now) {
  // Only its answer was lost, or the peer sends but does not hear us: then that end leaves the path, and says
  // so. What came by other paths says nothing of this one.
  Nanoseconds asked_at = entry->probes[entry->newest_probe].sent_at;
  bool heard = heard_at_ > asked_at && unheard_since_ > asked_at;
  if (entry == Active() && heard && InUse(now)) {
    entry->waits = false;
    entry->due_at = now + kSampleInterval;
    return;
  }
  entry->missed = static_cast<uint8_t>(std::min(entry->missed + 1, 255));
  entry->answers_in_row = 0;
  entry->waits = false;
  bool is_active = entry == Active();
  if (!InUse(now) && !(is_active && unproven_)) {
    entry->due_at = kNever;
    return;
  }
  if (is_active && !answers_ && !unproven_) {
    // It may have no answers to give.
    entry->due_at = kNever;
    return;
  }
  if (is_active && entry->state == State::kValid) {
    Suspect(now);
    return;
  }
  if (entry->state == State::kValid) entry->state = State::kSuspect;
  SendProbe(entry, now);
  ChooseSpare();
}

void PathSet::ConsiderNoPath(Nanoseconds now) {
  const Entry* used = Active();
  if (used == nullptr || used->state != State::kSuspect) return;
  for (const Entry& entry : entries_) {
    if (&entry != used && entry.state == State::kValid) return;
  }
  if (!unheard_told_) unheard_ = unheard_told_ = true;
  if (no_path_told_ || used->missed < 2 || now - program_sent_at_ > kInUse) return;
  no_path_told_ = no_path_ = true;
}

Nanoseconds PathSet::NextTimeout() const {
  Nanoseconds next = kNever;
  for (const Entry& entry : entries_) next = std::min(next, entry.due_at);
  return std::min({next, SilenceAt(), deaf_until_});
}

Nanoseconds PathSet::SilenceAt() const {
  if (active_ < 0 || !answers_ || entries_[static_cast<size_t>(active_)].waits) return kNever;
  Nanoseconds unheard = unheard_since_ == kNever ? kNever : unheard_since_ + Quiet(sent_at_);
  return std::min(unheard, stream_ < kStream ? kNever : stream_heard_at_ + kStreamSilence);
}

void PathSet::HandleTimeout(Nanoseconds now) {
  // Backwards, since some are forgotten.
  for (size_t i = entries_.size(); i-- > 0;) {
    Entry* entry = &entries_[i];
    if (entry->due_at > now) continue;
    bool is_active = static_cast<int>(i) == active_;
    bool is_candidate = entry->state == State::kCandidate;
    bool spent = is_candidate ? entry->waits && entry->missed + 1 >= kMaxCandidateProbes
                              : entry->missed >= kLeastMissed && now - entry->proven_at > kConsent;
    if (!is_active && spent) {
      Erase(i);
    } else if (entry->waits) {
      if (is_candidate) {
        entry->missed++;
        SendProbe(entry, now);
      } else {
        Missed(entry, now);
      }
    } else if (InUse(now)) {
      SendProbe(entry, now);
    } else {
      entry->due_at = kNever;
    }
  }
  if (deaf_until_ <= now) {
    deaf_until_ = kNever;
    ChooseSpare();
  }
  Entry* used = Active();
  if (used == nullptr) return;
  if (SilenceAt() <= now) {
    bool stream = stream_ >= kStream;
    stream_ = 0;
    overdue_ = overdue_ || stream;
    ChooseSpare();
    if (stream) sent_at_ = std::max(sent_at_, now - kInUse / 2);
    if (InUse(now)) {
      SendProbe(used, now);
    } else {
      unheard_since_ = kNever;
    }
  }
  ConsiderNoPath(now);
}

std::optional<PathSet::Cause> PathSet::TakeSwitched() {
  std::optional<Cause> taken = switched_;
  switched_.reset();
  return taken;
}

bool PathSet::TakeNoPath() {
  bool taken = no_path_;
  no_path_ = false;
  return taken;
}

bool PathSet::TakeUnheard() { return std::exchange(unheard_, false); }

}  // namespace idloc
