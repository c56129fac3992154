// Links that carry nothing. JavaScript's consent checks (RFC 7675, every 5 s) end while a link rests; the
// same is told by an echo inside the association when nothing was heard for a while, and it keeps NATs open.
//
//   JavaScript: rest ----> resting --- 16 to 20 s without a record ---> echo, at most three, a second apart
//                            ^  |                                         |              |
//                            |  +-- a packet of a program:                v a record     v none:
//                            |      stirred                               |                stirred, silent
//                            +--------------------------------------------+
//
// Where an end sleeps nobody asks: the link rests until a packet stirs it. By then NATs may have forgotten
// it, and the other end may be elsewhere: the path is doubtful then, and what finds none is told to
// JavaScript.
//
// A peer that has moved meanwhile is followed by its connection ID (inbound.cc), and the link rests on. These
// records count as any other: keys that are old are changed by them.
#include <algorithm>

#include "data_plane/data_plane.h"
#include "link/link_control.h"

namespace idloc {

namespace {

// An echo request without a rest; the answer has none either. Longer ones belong to JavaScript.
constexpr uint8_t kSignOfLife = kEchoRequest;
constexpr uint8_t kMaxUnanswered = 3;
// Shares of the keepalive time: a second each for an answer, when that is 16 s.
constexpr Nanoseconds kSpreadShare = 4;
constexpr Nanoseconds kAnswerShare = 16;
constexpr Nanoseconds kLeastAnswerTime = kSecond / 2;

}  // namespace

Nanoseconds DataPlane::RestInterval(const Link& link) const {
  // Links that began to rest together shall not wake this thread together, nor both ends at once.
  uint64_t mixed = (static_cast<uint64_t>(now_) ^ link.id) * 0x9e3779b97f4a7c15;
  uint64_t spread = static_cast<uint64_t>(options_.keepalive / kSpreadShare);
  return options_.keepalive + static_cast<Nanoseconds>((mixed >> 32) % (spread + 1));
}

void DataPlane::Handle(Rest& command) {
  Link* link = links_.Find(command.link);
  if (link == nullptr || !link->connected || !link->path.has_value()) return;
  link->resting = true;
  link->unanswered = 0;
  // JavaScript's last check has just been answered.
  link->heard_at = link->quiet_since = now_;
  link->newest_urgent = {};
  link->asleep = command.asleep;
  if (link->asleep) {
    TellAsleep(link);
    if (link->paths != nullptr) {
      link->paths->Ask(now_);
      TendPaths(link);
    }
  }
  resting_.Put(link, now_ + RestInterval(*link), now_);
}

void DataPlane::TellAsleep(Link* link) { SendRecordTo(link, &kAsleep, 1); }

void DataPlane::RunResting() {
  uint64_t tick;
  while (resting_.TakeDue(now_, &resting_due_, &tick)) {
    for (LinkId id : resting_due_) {
      Link* link = links_.Find(id);
      if (link != nullptr && link->resting && link->rest_tick == tick) KeepAlive(link);
    }
  }
}

void DataPlane::KeepAlive(Link* link) {
  if (link->asleep || link->peer_asleep) return;
  // Something came since the last look: from then on it is quiet, if at all.
  if (link->heard_at > link->quiet_since) {
    link->quiet_since = link->heard_at;
    link->unanswered = 0;
    Nanoseconds due = link->heard_at + RestInterval(*link);
    if (due > now_ + RestingLinks::kTick) {
      resting_.Put(link, due, now_);
      return;
    }
  }
  if (link->unanswered == kMaxUnanswered) {
    Stir(link, true);
    return;
  }
  link->unanswered++;
  if (SendRecordTo(link, &kSignOfLife, 1)) counters_->Add(Counter::keepalivesSent);
  resting_.Put(link, now_ + std::max(kLeastAnswerTime, options_.keepalive / kAnswerShare), now_);
}

void DataPlane::Stir(Link* link, bool silent) {
  // Nobody was asked for a sign of life: the path gets the time that it takes to find out.
  if (link->asleep || link->peer_asleep) link->heard_at = now_;
  link->resting = link->asleep = link->peer_asleep = false;
  if (silent && link->paths != nullptr) {
    link->paths->Doubt(now_);
    TendPaths(link);
  }
  Event event;
  event.type = EventType::kStirred;
  event.link = link->id;
  event.silent = silent;
  event.heard_at = link->heard_at;
  Emit(std::move(event));
}

}  // namespace idloc
