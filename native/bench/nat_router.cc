// A router of the laboratory, in user space for what the kernel's NAT cannot do: every mapping and filtering
// of RFC 4787, and the accidents of real routers on command. The kernel of its namespace leads what comes
// from inside to the interface `inside` and what comes from outside to `outside`, and sends on what this
// program writes there. IPv6 is neither translated nor filtered, but meets the same accidents.
//   nat_router external=ADDRESS inside=PREFIX[,PREFIX] [KEY=VALUE]...
// Keys, the first value is the default:
//   mapping=none|independent|address|address-port    RFC 4787 s4.1; none: a firewall, or a plain router
//   filtering=none|independent|address|address-port  RFC 4787 s5
//   ports=preserve|random                            preserve: the next free one where it is taken (s4.2)
//   hairpin=off|on  timeout=SECONDS(120)             s6, s4.3; refreshed by what goes out only
//   udp=on|off  delay=MS(0)  loss=PERCENT(0)  mtu=BYTES(1500)  blackhole=off|on  seed=N(1)
// Commands, a line on stdin each, answered by a line of JSON: `set KEY=VALUE...` (mapping, filtering, ports
// or external forget everything), `reboot` (all mappings are gone), `rebind` (each has another port, the old
// ones are dead), `forget [PORT]` (that one, or the latest), `state`. Fragments are dropped; errors of ICMP
// are translated.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <deque>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tool.h"

namespace {

constexpr size_t kLargest = 65535;        // bytes
constexpr size_t kMostDelayed = 1 << 16;  // packets; more are lost, as in any queue
constexpr int kMostAtOnce = 64;           // packets of one side before the other has its turn
constexpr uint16_t kFirstPort = 1024;     // RFC 4787 REQ-3: unprivileged stay unprivileged
constexpr size_t kNextHeader = 6;         // its offset (RFC 8200 s3)
constexpr uint8_t kIcmpUnreachable = 3;   // RFC 792
constexpr uint8_t kIcmpTimeExceeded = 11;

enum class Side { kInside, kOutside };
enum class Dependence { kNone, kIndependent, kAddress, kAddressPort };

/** Address and port, both in host byte order. Echo requests of ICMP have their identifier for a port. */
struct Endpoint {
  uint32_t address = 0;
  uint16_t port = 0;

  uint64_t key() const { return uint64_t{address} << 16 | port; }
};

uint64_t KeyOf(uint8_t protocol, const Endpoint& endpoint) {
  return uint64_t{protocol} << 48 | endpoint.key();
}

std::string Text(uint32_t address) {
  char text[INET_ADDRSTRLEN];
  in_addr raw{htonl(address)};
  return inet_ntop(AF_INET, &raw, text, sizeof text);
}

uint16_t Read16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
uint32_t Read32(const uint8_t* at) { return uint32_t{Read16(at)} << 16 | Read16(at + 2); }
void Write16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

/** RFC 1624: what a checksum becomes when 16 bits that it covers change. */
void Adjust(uint8_t* checksum, uint16_t before, uint16_t after) {
  uint32_t sum = uint16_t(~Read16(checksum)) + uint32_t{uint16_t(~before)} + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  Write16(checksum, static_cast<uint16_t>(~sum));
}

/** An IPv4 packet, not a fragment, whose ports (or identifier) can be read and changed in place. */
class Packet {
 public:
  /** @param is_whole false: what an ICMP error quotes, the header and 8 bytes of it */
  static std::optional<Packet> Parse(uint8_t* data, size_t length, bool is_whole = true) {
    if (length < 20 || data[0] >> 4 != 4) return std::nullopt;
    const size_t header = (data[0] & 15) * size_t{4};
    const size_t total = Read16(data + 2);
    if (header < 20 || length < header + 8 || (is_whole && total != length)) return std::nullopt;
    if ((Read16(data + 6) & 0x3fff) != 0) return std::nullopt;  // MF or an offset
    Packet packet(data, header, length);
    const bool is_known = packet.IsUdp() || packet.protocol() == IPPROTO_ICMP ||
                          (packet.protocol() == IPPROTO_TCP && (!is_whole || length >= header + 20));
    if (!is_known) return std::nullopt;
    return packet;
  }

  uint8_t protocol() const { return data_[9]; }
  bool IsUdp() const { return protocol() == IPPROTO_UDP; }
  bool IsError() const {
    return protocol() == IPPROTO_ICMP &&
           (payload()[0] == kIcmpUnreachable || payload()[0] == kIcmpTimeExceeded);
  }
  bool IsEcho() const { return protocol() == IPPROTO_ICMP && (payload()[0] == 8 || payload()[0] == 0); }

  Endpoint source() const { return {Read32(data_ + 12), IsEcho() ? Read16(payload() + 4) : PortAt(0)}; }
  Endpoint destination() const { return {Read32(data_ + 16), IsEcho() ? Read16(payload() + 4) : PortAt(2)}; }
  void SetSource(const Endpoint& to) { Set(12, 0, to); }
  void SetDestination(const Endpoint& to) { Set(16, 2, to); }
  /** Without the port: an error has none. */
  void SetAddress(bool is_source, uint32_t address) { SetAddressAt(is_source ? 12 : 16, address); }

  /** What an error is about. */
  std::optional<Packet> Quoted() { return Parse(payload() + 8, length_ - header_ - 8, false); }
  /** Of an error, after what it quotes has changed. */
  void ComputeIcmpChecksum() {
    Write16(payload() + 2, 0);
    uint32_t sum = 0;
    const size_t size = length_ - header_;
    for (size_t i = 0; i + 1 < size; i += 2) sum += Read16(payload() + i);
    if (size % 2 == 1) sum += uint32_t{payload()[size - 1]} << 8;
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    Write16(payload() + 2, static_cast<uint16_t>(~sum));
  }

  const uint8_t* data() const { return data_; }
  size_t length() const { return length_; }

 private:
  Packet(uint8_t* data, size_t header, size_t length) : data_(data), header_(header), length_(length) {}

  uint8_t* payload() const { return data_ + header_; }
  uint16_t PortAt(size_t offset) const { return protocol() == IPPROTO_ICMP ? 0 : Read16(payload() + offset); }

  /** Of the transport; covers the addresses as well, but for ICMP. nullptr: none is to be kept. */
  uint8_t* Checksum() const {
    switch (protocol()) {
      case IPPROTO_UDP:
        return Read16(payload() + 6) == 0 ? nullptr : payload() + 6;
      case IPPROTO_TCP:
        // A quotation ends before it.
        return length_ >= header_ + 18 ? payload() + 16 : nullptr;
      default:
        return nullptr;
    }
  }

  void SetAddressAt(size_t offset, uint32_t address) {
    for (size_t i : {size_t{0}, size_t{2}}) {
      uint8_t* at = data_ + offset + i;
      const auto half = static_cast<uint16_t>(address >> (i == 0 ? 16 : 0));
      Adjust(data_ + 10, Read16(at), half);
      if (uint8_t* checksum = Checksum(); checksum != nullptr) Adjust(checksum, Read16(at), half);
      Write16(at, half);
    }
  }

  void Set(size_t offset, size_t port_offset, const Endpoint& to) {
    SetAddressAt(offset, to.address);
    uint8_t* port = payload() + (IsEcho() ? 4 : port_offset);
    uint8_t* checksum = IsEcho() ? payload() + 2 : Checksum();
    if (checksum != nullptr) Adjust(checksum, Read16(port), to.port);
    Write16(port, to.port);
    // RFC 768: a computed checksum of zero is sent as all ones.
    if (IsUdp() && checksum != nullptr && Read16(checksum) == 0) Write16(checksum, 0xffff);
  }

  uint8_t* data_;  // borrowed from the caller of Parse
  size_t header_;  // bytes
  size_t length_;
};

struct Prefix {
  uint32_t address = 0;
  uint32_t mask = 0;

  bool Has(uint32_t other) const { return (other & mask) == address; }
};

struct Settings {
  uint32_t external = 0;
  std::vector<Prefix> inside;
  Dependence mapping = Dependence::kNone;
  Dependence filtering = Dependence::kNone;
  bool has_random_ports = false;
  bool hairpin = false;
  int64_t timeout = 120 * bench::kSecond;
  bool udp = true;
  int64_t delay = 0;
  double loss = 0;  // of 1
  size_t mtu = 1500;
  bool blackhole = false;
};

/** Why packets did not go on. */
struct Dropped {
  uint64_t filtered = 0;
  uint64_t unmapped = 0;
  uint64_t hairpins = 0;
  uint64_t unwanted =
      0;  // UDP where it is blocked, a source that is not of the inside (RFC 2827), what is not known
  uint64_t too_large = 0;
  uint64_t lost = 0;  // in the black hole, at random, in a full queue
};

/** What RFC 4787 says about packets; knows no interface. */
class Nat {
 public:
  Settings settings;
  Dropped dropped;

  void Seed(uint64_t seed) { random_.seed(seed); }

  void Reboot() {
    mappings_.clear();
    hosts_.clear();
  }

  /** @returns how many have another port now */
  size_t Rebind() {
    std::unordered_map<uint64_t, Mapping> before;
    before.swap(mappings_);
    for (const auto& [external, mapping] : before) dead_.insert(external);
    for (const auto& [external, mapping] : before) {
      const uint16_t port = RandomPort(mapping.protocol);
      mappings_[KeyOf(mapping.protocol, {settings.external, port})] = mapping;
      hosts_[KeyOf(mapping.protocol, mapping.inside)].ports[mapping.towards] = port;
    }
    return before.size();
  }

  /** @param port undefined: the mapping that was used last */
  bool Forget(std::optional<uint16_t> port) {
    auto found = mappings_.end();
    for (auto it = mappings_.begin(); it != mappings_.end(); ++it) {
      if (port.has_value() ? static_cast<uint16_t>(it->first) == *port
                           : found == mappings_.end() || it->second.used > found->second.used) {
        found = it;
      }
    }
    if (found == mappings_.end()) return false;
    Erase(found);
    return true;
  }

  /** @returns to which side it goes; nothing: it is dropped */
  std::optional<Side> Outbound(Packet& packet, int64_t now) {
    const Endpoint from = packet.source();
    if (!IsInside(from.address)) return Drop(dropped.unwanted);
    if (packet.IsError()) return OutboundError(packet);
    const Endpoint to = packet.destination();
    const uint8_t protocol = packet.protocol();
    Host& host = hosts_[KeyOf(protocol, from)];
    host.sent_to[to.key()] = now;
    host.sent_to_address[to.address] = now;
    host.used = now;
    if (settings.mapping == Dependence::kNone) return IsInside(to.address) ? Side::kInside : Side::kOutside;
    const Endpoint outer{settings.external, PortOf(host, protocol, from, to, now)};
    packet.SetSource(outer);
    if (to.address != settings.external) return Side::kOutside;
    if (!settings.hairpin) return Drop(dropped.hairpins);
    return Inbound(packet, now);
  }

  std::optional<Side> Inbound(Packet& packet, int64_t now) {
    if (packet.IsError()) return InboundError(packet, now);
    const uint8_t protocol = packet.protocol();
    Endpoint to = packet.destination();
    if (settings.mapping != Dependence::kNone) {
      const Mapping* mapping = to.address == settings.external ? Find(protocol, to.port, now) : nullptr;
      if (mapping == nullptr) return Drop(dropped.unmapped);
      to = mapping->inside;
    }
    if (!IsInside(to.address)) return Drop(dropped.unmapped);
    if (!LetsIn(KeyOf(protocol, to), packet.source(), now)) return Drop(dropped.filtered);
    if (settings.mapping != Dependence::kNone) packet.SetDestination(to);
    return Side::kInside;
  }

  std::string Mappings() const {
    std::ostringstream text;
    for (const auto& [external, mapping] : mappings_) {
      text << (text.tellp() == 0 ? "" : ",") << "{\"protocol\":" << int{mapping.protocol} << ",\"inside\":\""
           << Text(mapping.inside.address) << ":" << mapping.inside.port
           << "\",\"external\":" << static_cast<uint16_t>(external) << "}";
    }
    return text.str();
  }

 private:
  struct Mapping {
    uint8_t protocol = 0;
    Endpoint inside;
    uint64_t towards = 0;  // what of the destination it depends on
    int64_t used = 0;
  };

  /** An endpoint inside: s5 speaks of what it sent to, by whichever mapping. */
  struct Host {
    std::unordered_map<uint64_t, uint16_t> ports;  // by what of the destination they depend on
    std::unordered_map<uint64_t, int64_t> sent_to;
    std::unordered_map<uint32_t, int64_t> sent_to_address;
    int64_t used = 0;
  };

  static std::optional<Side> Drop(uint64_t& counter) {
    counter++;
    return std::nullopt;
  }

  bool IsInside(uint32_t address) const {
    return std::any_of(settings.inside.begin(), settings.inside.end(),
                       [&](const Prefix& prefix) { return prefix.Has(address); });
  }

  uint64_t Towards(const Endpoint& to) const {
    switch (settings.mapping) {
      case Dependence::kAddress:
        return uint64_t{to.address} << 16;
      case Dependence::kAddressPort:
        return to.key();
      default:
        return 0;
    }
  }

  uint16_t PortOf(Host& host, uint8_t protocol, const Endpoint& from, const Endpoint& to, int64_t now) {
    const uint64_t towards = Towards(to);
    if (auto known = host.ports.find(towards); known != host.ports.end()) {
      auto mapping = mappings_.find(KeyOf(protocol, {settings.external, known->second}));
      if (mapping != mappings_.end() && now - mapping->second.used < settings.timeout) {
        mapping->second.used = now;
        return known->second;
      }
      if (mapping != mappings_.end()) mappings_.erase(mapping);
    }
    const uint16_t port = settings.has_random_ports ? RandomPort(protocol) : NextFree(protocol, from.port);
    mappings_[KeyOf(protocol, {settings.external, port})] = {protocol, from, towards, now};
    host.ports[towards] = port;
    return port;
  }

  bool IsFree(uint8_t protocol, uint16_t port) const {
    const uint64_t key = KeyOf(protocol, {settings.external, port});
    return !mappings_.contains(key) && !dead_.contains(key);
  }

  uint16_t RandomPort(uint8_t protocol) {
    std::uniform_int_distribution<uint32_t> any(kFirstPort, 65535);
    for (;;) {
      const auto port = static_cast<uint16_t>(any(random_));
      if (IsFree(protocol, port)) return port;
    }
  }

  uint16_t NextFree(uint8_t protocol, uint16_t wanted) const {
    uint16_t port = std::max(wanted, kFirstPort);
    while (!IsFree(protocol, port)) port = port == 65535 ? kFirstPort : static_cast<uint16_t>(port + 1);
    return port;
  }

  const Mapping* Find(uint8_t protocol, uint16_t port, int64_t now) {
    auto found = mappings_.find(KeyOf(protocol, {settings.external, port}));
    if (found == mappings_.end()) return nullptr;
    if (now - found->second.used < settings.timeout) return &found->second;
    Erase(found);
    return nullptr;
  }

  void Erase(std::unordered_map<uint64_t, Mapping>::iterator at) {
    const Mapping& mapping = at->second;
    if (auto host = hosts_.find(KeyOf(mapping.protocol, mapping.inside)); host != hosts_.end()) {
      host->second.ports.erase(mapping.towards);
      if (host->second.ports.empty()) hosts_.erase(host);
    }
    mappings_.erase(at);
  }

  bool LetsIn(uint64_t inside, const Endpoint& from, int64_t now) const {
    if (settings.filtering == Dependence::kNone) return true;
    const auto host = hosts_.find(inside);
    if (host == hosts_.end()) return false;
    const auto is_young = [&](const auto& map, auto key) {
      const auto sent = map.find(key);
      return sent != map.end() && now - sent->second < settings.timeout;
    };
    switch (settings.filtering) {
      case Dependence::kAddress:
        return is_young(host->second.sent_to_address, from.address);
      case Dependence::kAddressPort:
        return is_young(host->second.sent_to, from.key());
      default:
        return now - host->second.used < settings.timeout;
    }
  }

  /** About a packet that came from outside to `to`, as the host inside knows it. */
  std::optional<Side> OutboundError(Packet& error) {
    auto quoted = error.Quoted();
    if (!quoted.has_value()) return Drop(dropped.unwanted);
    if (settings.mapping == Dependence::kNone) return Side::kOutside;
    const Endpoint inside = quoted->destination();
    const auto host = hosts_.find(KeyOf(quoted->protocol(), inside));
    if (host == hosts_.end()) return Drop(dropped.unmapped);
    const auto port = host->second.ports.find(Towards(quoted->source()));
    if (port == host->second.ports.end()) return Drop(dropped.unmapped);
    quoted->SetDestination({settings.external, port->second});
    error.SetAddress(true, settings.external);
    error.ComputeIcmpChecksum();
    return Side::kOutside;
  }

  /** About a packet that went out; RFC 4787 REQ-10: whoever it comes from, filters do not keep it away. */
  std::optional<Side> InboundError(Packet& error, int64_t now) {
    auto quoted = error.Quoted();
    if (!quoted.has_value()) return Drop(dropped.unwanted);
    if (settings.mapping == Dependence::kNone) {
      return hosts_.contains(KeyOf(quoted->protocol(), quoted->source())) ? std::optional(Side::kInside)
                                                                          : Drop(dropped.unmapped);
    }
    const Mapping* mapping = Find(quoted->protocol(), quoted->source().port, now);
    if (mapping == nullptr) return Drop(dropped.unmapped);
    quoted->SetSource(mapping->inside);
    error.SetAddress(false, mapping->inside.address);
    error.ComputeIcmpChecksum();
    return Side::kInside;
  }

  std::unordered_map<uint64_t, Mapping> mappings_;  // by protocol and external endpoint
  std::unordered_map<uint64_t, Host> hosts_;        // by protocol and endpoint inside
  std::unordered_set<uint64_t> dead_;               // external endpoints that are not given again
  std::mt19937_64 random_{1};
};

bool IsOn(const std::string& value) {
  if (value != "on" && value != "off") throw std::string("on or off, not " + value);
  return value == "on";
}

Dependence ToDependence(const std::string& value) {
  if (value == "none") return Dependence::kNone;
  if (value == "independent") return Dependence::kIndependent;
  if (value == "address") return Dependence::kAddress;
  if (value == "address-port") return Dependence::kAddressPort;
  throw std::string("none, independent, address or address-port, not " + value);
}

double ToNumber(const std::string& value, double most) {
  char* end = nullptr;
  const double number = strtod(value.c_str(), &end);
  if (value.empty() || *end != '\0' || !(number >= 0 && number <= most))
    throw std::string("not a number: " + value);
  return number;
}

uint32_t ToAddress(const std::string& value) {
  in_addr raw;
  if (inet_pton(AF_INET, value.c_str(), &raw) != 1) throw std::string("not an IPv4 address: " + value);
  return ntohl(raw.s_addr);
}

std::vector<Prefix> ToPrefixes(const std::string& value) {
  std::vector<Prefix> prefixes;
  std::istringstream list(value);
  for (std::string one; std::getline(list, one, ',');) {
    const size_t slash = one.find('/');
    if (slash == std::string::npos) throw std::string("not a prefix: " + one);
    const auto bits = static_cast<int>(ToNumber(one.substr(slash + 1), 32));
    const uint32_t mask = bits == 0 ? 0 : ~uint32_t{0} << (32 - bits);
    prefixes.push_back({ToAddress(one.substr(0, slash)) & mask, mask});
  }
  return prefixes;
}

/** The two interfaces, what is on its way, and the commands. */
class Router {
 public:
  /** @throws std::string what is wrong with it */
  void Set(const std::string& assignment) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos) throw std::string("not KEY=VALUE: " + assignment);
    const std::string key = assignment.substr(0, equals);
    const std::string value = assignment.substr(equals + 1);
    Settings& settings = nat_.settings;
    const bool forgets = key == "external" || key == "mapping" || key == "filtering" || key == "ports";
    if (key == "external") {
      settings.external = ToAddress(value);
    } else if (key == "inside") {
      settings.inside = ToPrefixes(value);
    } else if (key == "mapping") {
      settings.mapping = ToDependence(value);
    } else if (key == "filtering") {
      settings.filtering = ToDependence(value);
    } else if (key == "ports") {
      if (value != "preserve" && value != "random") throw std::string("preserve or random, not " + value);
      settings.has_random_ports = value == "random";
    } else if (key == "hairpin") {
      settings.hairpin = IsOn(value);
    } else if (key == "timeout") {
      settings.timeout = static_cast<int64_t>(ToNumber(value, 1e6) * bench::kSecond);
    } else if (key == "udp") {
      settings.udp = IsOn(value);
    } else if (key == "delay") {
      settings.delay = static_cast<int64_t>(ToNumber(value, 1e4) * bench::kMillisecond);
    } else if (key == "loss") {
      settings.loss = ToNumber(value, 100) / 100;
    } else if (key == "mtu") {
      settings.mtu = static_cast<size_t>(ToNumber(value, kLargest));
    } else if (key == "blackhole") {
      settings.blackhole = IsOn(value);
    } else if (key == "seed") {
      const auto seed = static_cast<uint64_t>(ToNumber(value, 1e15));
      nat_.Seed(seed);
      chance_.seed(seed);
    } else {
      throw std::string("no such setting: " + key);
    }
    if (forgets) nat_.Reboot();
  }

  /** Until its stdin ends. */
  int Run() {
    inside_ = OpenTun("inside");
    outside_ = OpenTun("outside");
    printf("{\"ready\":true}\n");
    fflush(stdout);
    for (;;) {
      const int64_t now = bench::Now();
      while (!delayed_.empty() && delayed_.front().due <= now) {
        Write(delayed_.front().to, delayed_.front().data.data(), delayed_.front().data.size());
        delayed_.pop_front();
      }
      timespec wait{};
      if (!delayed_.empty()) wait = bench::ToTimespec(delayed_.front().due - now);
      pollfd waiting[] = {{inside_, POLLIN, 0}, {outside_, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
      if (ppoll(waiting, 3, delayed_.empty() ? nullptr : &wait, nullptr) <= 0) continue;
      if (waiting[0].revents != 0) Forward(Side::kInside);
      if (waiting[1].revents != 0) Forward(Side::kOutside);
      if (waiting[2].revents != 0 && !ReadCommands()) return 0;
    }
  }

 private:
  struct Delayed {
    int64_t due;  // ns
    Side to;
    std::vector<uint8_t> data;
  };

  static int OpenTun(const char* name) {
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) bench::Fail("/dev/net/tun");
    ifreq request{};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    if (ioctl(fd, TUNSETIFF, &request) != 0) bench::Fail("TUNSETIFF");
    return fd;
  }

  void Forward(Side from) {
    for (int i = 0; i < kMostAtOnce; i++) {
      ssize_t length = read(from == Side::kInside ? inside_ : outside_, buffer_, sizeof buffer_);
      if (length <= 0) return;
      Forward(from, static_cast<size_t>(length), bench::Now());
    }
  }

  void Forward(Side from, size_t length, int64_t now) {
    const Settings& settings = nat_.settings;
    Dropped& dropped = nat_.dropped;
    const bool is_v6 = buffer_[0] >> 4 == 6;
    auto packet = is_v6 ? std::nullopt : Packet::Parse(buffer_, length);
    if (settings.blackhole || std::uniform_real_distribution<>(0, 1)(chance_) < settings.loss) {
      dropped.lost++;
    } else if (length > settings.mtu) {
      dropped.too_large++;
    } else if (is_v6) {
      if (buffer_[kNextHeader] == IPPROTO_UDP && !settings.udp) {
        dropped.unwanted++;
      } else {
        Send(from == Side::kInside ? Side::kOutside : Side::kInside, buffer_, length, now);
      }
    } else if (!packet.has_value() || (packet->IsUdp() && !settings.udp)) {
      dropped.unwanted++;
    } else if (auto to = from == Side::kInside ? nat_.Outbound(*packet, now) : nat_.Inbound(*packet, now);
               to.has_value()) {
      Send(*to, packet->data(), packet->length(), now);
    }
  }

  void Send(Side to, const uint8_t* data, size_t length, int64_t now) {
    if (nat_.settings.delay == 0 && delayed_.empty()) {
      Write(to, data, length);
    } else if (delayed_.size() >= kMostDelayed) {
      nat_.dropped.lost++;
    } else {
      // A delay that was made shorter overtakes nothing.
      const int64_t due = now + nat_.settings.delay;
      delayed_.push_back(
          {delayed_.empty() ? due : std::max(due, delayed_.back().due), to, {data, data + length}});
    }
  }

  void Write(Side to, const uint8_t* data, size_t length) {
    if (write(to == Side::kInside ? inside_ : outside_, data, length) >= 0) forwarded_++;
  }

  /** @returns false: there will be none any more */
  bool ReadCommands() {
    char text[4096];
    ssize_t length = read(STDIN_FILENO, text, sizeof text);
    if (length <= 0) return false;
    commands_.append(text, static_cast<size_t>(length));
    for (size_t end; (end = commands_.find('\n')) != std::string::npos;) {
      std::string answer;
      try {
        answer = Obey(commands_.substr(0, end));
      } catch (const std::string& why) {
        answer = "{\"error\":\"" + why + "\"}";
      }
      commands_.erase(0, end + 1);
      printf("%s\n", answer.c_str());
    }
    fflush(stdout);
    return true;
  }

  std::string Obey(const std::string& line) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "set") {
      while (words >> word) Set(word);
    } else if (word == "reboot") {
      nat_.Reboot();
    } else if (word == "rebind") {
      return "{\"mappings\":" + std::to_string(nat_.Rebind()) + "}";
    } else if (word == "forget") {
      std::optional<uint16_t> port;
      if (words >> word) port = static_cast<uint16_t>(ToNumber(word, 65535));
      if (!nat_.Forget(port)) throw std::string("there is no such mapping");
    } else if (word == "state") {
      return State();
    } else {
      throw std::string("set, reboot, rebind, forget or state?");
    }
    return "{}";
  }

  std::string State() const {
    const Dropped& dropped = nat_.dropped;
    std::ostringstream text;
    text << "{\"forwarded\":" << forwarded_ << ",\"dropped\":{\"filtered\":" << dropped.filtered
         << ",\"unmapped\":" << dropped.unmapped << ",\"hairpins\":" << dropped.hairpins
         << ",\"unwanted\":" << dropped.unwanted << ",\"tooLarge\":" << dropped.too_large
         << ",\"lost\":" << dropped.lost << "},\"mappings\":[" << nat_.Mappings() << "]}";
    return text.str();
  }

  Nat nat_;
  int inside_ = -1;
  int outside_ = -1;
  std::deque<Delayed> delayed_;
  std::string commands_;
  std::mt19937_64 chance_{1};
  uint64_t forwarded_ = 0;
  uint8_t buffer_[kLargest];
};

}  // namespace

int main(int argc, char** argv) {
  bench::PreciseTimers();
  static Router router;
  try {
    for (int i = 1; i < argc; i++) router.Set(argv[i]);
  } catch (const std::string& why) {
    fprintf(stderr, "nat_router: %s\n", why.c_str());
    return 2;
  }
  return router.Run();
}
