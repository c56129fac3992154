// The paths of connected links (link/path_set.h): what comes and leaves is told to them; what they want is
// done. Links whose peer bears no connection ID have the one path that JavaScript sets.
#include <algorithm>
#include <cstring>

#include "data_plane/data_plane.h"
#include "link/link_control.h"

namespace idloc {

void DataPlane::MakePaths(Link* link) {
  if (!link->session->told_apart_by_ids() || !link->path.has_value()) return;
  size_t datagram = PathSet::kRecordBytes + link->session->send_layout().overhead;
  link->paths = std::make_unique<PathSet>(link->server, datagram, &uplinks_.ranks());
  link->paths->Select(*link->path, PathSet::kUnknownPreference, now_);
}

void DataPlane::NoteHeard(Link* link, const RecordView& record, const Plaintext& plaintext, bool newest,
                          const Path& path) {
  PathSet* paths = link->paths.get();
  if (paths == nullptr) {
    if (link->path.has_value() && link->path->remote == path.remote) link->heard_at = now_;
    return;
  }
  if (paths->IsActive(path)) {
    link->heard_at = now_;
    if (paths->HeardActive(path, now_)) ArmPaths(link);
    return;
  }
  bool is_probe =
      plaintext.length > 0 && (plaintext.data[0] == kPathProbe || plaintext.data[0] == kPathProbeAnswer);
  bool stranger = false;
  if (!paths->Knows(path)) {
    LinkTable::Binding* binding = links_.FindRemote(path.remote);
    stranger = binding == nullptr || binding->link != link;
  }
  paths->Heard(path, record.length, newest && !is_probe, stranger, now_);
  TendPaths(link);
}

bool DataPlane::TakePathRecord(Link* link, const Path& path, const uint8_t* data, size_t length) {
  if (length == 0 || (data[0] != kPathProbe && data[0] != kPathProbeAnswer)) return false;
  if (length < PathSet::kRecordBytes || length > PathSet::kPaddedBytes || link->paths == nullptr) {
    counters_->Add(Counter::dropUnexpectedContent);
    return true;
  }
  if (data[0] == kPathProbeAnswer) {
    link->paths->Answered(path, data, now_);
  } else {
    auto answer = link->paths->Probed(path, data, now_);
    if (SendRecordOn(path, link, answer.data(), answer.size())) counters_->Add(Counter::pathProbesAnswered);
  }
  TendPaths(link);
  return true;
}

void DataPlane::TendPaths(Link* link) {
  PathSet::Outgoing out;
  while (link->paths->Poll(&out)) {
    uint8_t record[PathSet::kPaddedBytes] = {};
    std::copy(out.record.begin(), out.record.end(), record);
    if (SendRecordOn(out.route, link, record, out.record.size() + out.padding))
      counters_->Add(Counter::pathProbesSent);
    if (out.route.is_hop() && link->paths->in_doubt()) AskRelay(out.route.local);
  }
  const Path* active = link->paths->active();
  bool moved = active != nullptr && !(link->path == *active);
  if (active == nullptr) {
    link->path.reset();
  } else {
    link->path = *active;
  }
  // Another link's remote stays its own; this one is told by its connection ID.
  if (moved && links_.FindRemote(active->remote) == nullptr) links_.Bind(link, active->remote, false);
  if (std::optional<PathSet::Cause> cause = link->paths->TakeSwitched();
      cause.has_value() && active != nullptr) {
    counters_->Add(Counter::pathsMoved);
    link->heard_at = now_;
    TellNewPath(link);
    Event event;
    event.type = EventType::kMoved;
    event.link = link->id;
    event.local = {active->local, port()};
    event.remote = active->remote;
    event.cause = *cause;
    Emit(std::move(event));
  }
  if (link->paths->TakeNoPath()) {
    counters_->Add(Counter::pathsSilent);
    Event event;
    event.type = EventType::kNoPath;
    event.link = link->id;
    Emit(std::move(event));
  }
  if (link->paths->TakeUnheard()) {
    Event event;
    event.type = EventType::kUnheard;
    event.link = link->id;
    Emit(std::move(event));
  }
  if (!link->newest_urgent.empty()) {
    while (const Path* path = link->paths->TakeAgain(link->newest_urgent.size(), now_))
      SendCopy(*path, link->newest_urgent, link->newest_urgent_class);
  }
  if (link->paths->TakeOpened() && link->carries_hops) AskHopsAgain(link);
  ArmPaths(link);
}

void DataPlane::AskRelay(const IpAddress& hit) {
  Link* relay = FindNeighbor(hit);
  if (relay != nullptr && relay->paths != nullptr && relay->paths->AskUnheard(now_)) TendPaths(relay);
}

void DataPlane::AskHopsAgain(const Link* link) {
  for (const auto& [id, other] : links_.all()) {
    if (other->paths != nullptr && other->paths->AskHopsAgain(link->hit, now_)) TendPaths(other.get());
  }
}

void DataPlane::ArmPaths(Link* link) {
  Nanoseconds next = link->paths->NextTimeout();
  // An entry that is too early looks again; of several the earliest counts.
  if (next >= link->paths_at) return;
  link->paths_at = next;
  path_timers_.push_back({next, link->id});
  std::push_heap(path_timers_.begin(), path_timers_.end(), std::greater<>());
}

Nanoseconds DataPlane::NextPathTimeout() const {
  return path_timers_.empty() ? kNever : path_timers_.front().at;
}

void DataPlane::RunPathTimers() {
  while (NextPathTimeout() <= now_) {
    PathTimer timer = path_timers_.front();
    std::pop_heap(path_timers_.begin(), path_timers_.end(), std::greater<>());
    path_timers_.pop_back();
    Link* link = links_.Find(timer.link);
    if (link == nullptr || link->paths_at != timer.at) continue;
    link->paths_at = kNever;
    if (link->paths->NextTimeout() <= now_) link->paths->HandleTimeout(now_);
    TendPaths(link);
  }
}

void DataPlane::Handle(AddPath& command) {
  Link* link = links_.Find(command.link);
  if (link == nullptr || link->paths == nullptr) return;
  // Streams are for links (TendStreams).
  bool is_new = command.path.is_stream() && links_.FindRemote(command.path.remote) == nullptr;
  if (is_new) links_.Bind(link, command.path.remote, false);
  link->paths->Add(command.path, command.preference, now_, command.expected);
  TendPaths(link);
}

void DataPlane::Handle(ReportPaths&) {
  auto reports = std::make_unique<std::vector<PathReport>>();
  for (const auto& [id, link] : links_.all()) {
    if (link->paths == nullptr) continue;
    for (const PathSet::Entry& entry : link->paths->entries())
      reports->push_back(
          {id, link->paths->active() == &entry.route, entry.route, entry.state, entry.srtt, entry.loss});
  }
  delete path_reports_.exchange(reports.release());
  Event event;
  event.type = EventType::kPaths;
  Emit(std::move(event));
}

}  // namespace idloc
