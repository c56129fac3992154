#pragma once
// IP addresses are 16 bytes everywhere, IPv4 as IPv4-mapped IPv6 (RFC 4291 s2.5.5.2): one type for both
// families.
#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace idloc {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};

  static IpAddress FromV4(const uint8_t* four) {
    IpAddress out;
    out.bytes[10] = out.bytes[11] = 0xff;
    std::memcpy(&out.bytes[12], four, 4);
    return out;
  }
  static IpAddress FromV6(const uint8_t* sixteen) {
    IpAddress out;
    std::memcpy(out.bytes.data(), sixteen, 16);
    return out;
  }
  // Text of either family; nothing when it is not an address.
  static std::optional<IpAddress> Parse(const std::string& text);
  // RFC 5952; IPv4-mapped addresses come out as IPv4.
  std::string ToString() const;

  bool is_v4() const {
    static constexpr uint8_t kPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(bytes.data(), kPrefix, 12) == 0;
  }
  // ORCHIDv2 (RFC 7343 s2): 2001:20::/28.
  bool is_hit() const {
    return bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0 && (bytes[3] & 0xf0) == 0x20;
  }
  // What stands for the other end of a stream (stream/streams.h): its address with the three bits by which
  // IANA gives address space changed. All that is in use begins with 000, 001 or 111, and what comes of it is
  // reserved.
  bool is_stream() const {
    uint8_t top = bytes[0] >> 5;
    return top >= 0b010 && top <= 0b100;
  }
  // What stands for a relayed address of ours at a TURN server (relay/turn_channels.h); reserved as well.
  bool is_allocation() const { return bytes[0] >> 5 == 0b101; }
  IpAddress swapped_for_stream() const {
    IpAddress out = *this;
    out.bytes[0] ^= 0x60;
    return out;
  }
  bool unset() const {
    static constexpr uint8_t kZero[16] = {};
    return std::memcmp(bytes.data(), kZero, 16) == 0;
  }
  bool operator==(const IpAddress& other) const {
    return std::memcmp(bytes.data(), other.bytes.data(), 16) == 0;
  }
};

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;  // host byte order

  bool operator==(const Endpoint& other) const { return address == other.address && port == other.port; }
};

// Where datagrams of a link go. An unset local address lets the kernel choose. A hop, where both are HITs:
// through the link with `local`, who hands them on to `remote` (port 0). A stream, whose local address is
// kStreamLocal, of one to a TURN server kTurnServerLocal, of one of a client of ours what stands for our
// address. By a TURN server, where the local address is an allocation there.
struct Path {
  IpAddress local;
  Endpoint remote;

  bool is_hop() const { return local.is_hit(); }
  bool is_stream() const { return remote.address.is_stream(); }
  bool is_turn() const { return local.is_allocation(); }

  bool operator==(const Path& other) const { return local == other.local && remote == other.remote; }
};

inline const IpAddress kStreamLocal = IpAddress{}.swapped_for_stream();
// What comes of ::2, which no host has (RFC 4291 s2.5.5.1).
inline const IpAddress kTurnServerLocal =
    IpAddress{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}}.swapped_for_stream();

struct AddressHash {
  size_t operator()(const IpAddress& address) const {
    uint64_t words[2];
    std::memcpy(words, address.bytes.data(), 16);
    return Mix(words[0] ^ Mix(words[1] ^ Seed()));
  }
  size_t operator()(const Endpoint& endpoint) const { return Mix((*this)(endpoint.address) ^ endpoint.port); }

 private:
  static uint64_t Mix(uint64_t x) {
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93;
    x = (x ^ (x >> 29)) * 0xd6e8feb86659fd93;
    return x ^ (x >> 32);
  }
  // Drawn once per process: who chooses addresses cannot choose the buckets they fall into.
  static uint64_t Seed();
};

struct PathHash {
  size_t operator()(const Path& path) const {
    return AddressHash{}(path.remote) ^ (AddressHash{}(path.local) * 31);
  }
};

}  // namespace idloc
