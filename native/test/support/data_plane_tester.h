#pragma once
// A data plane without its thread, on the devices of devices.h: the test is the loop.
#include <memory>

#include "data_plane/data_plane.h"
#include "support/devices.h"

namespace idloc::test {

class DataPlaneTester {
 public:
  // With credentials, a TUN and the addresses of host `number` (1 to 9); its socket has port 6080 + number.
  explicit DataPlaneTester(uint8_t number, const Limits& limits = {});

  Endpoint endpoint() const { return {IpAddress::FromV4(kLoopback), plane_.port()}; }
  IpAddress hit() const;
  IpAddress ipv4() const;

  // As JavaScript does.
  LinkId OpenLink(bool server);
  // Waits until one is run.
  void Post(Command command);
  void Run(Command command);
  std::vector<Event> TakeEvents();

  // At least one byte.
  // `marked`: DSCP and ECN of the datagram.
  void ReceiveDatagram(const Bytes& datagram, const Endpoint& from, uint8_t marked = 0);
  // Several datagrams of one batch: packets are joined across them.
  void ReceiveBatch(const std::vector<Bytes>& datagrams, const Endpoint& from);
  // Vnet header and packet.
  void ReadTun(const Bytes& data);
  // As rtnetlink tells it.
  void ChangeNetwork() { plane_.NoteChanges({.own = false, .others = true}); }
  void Advance(Nanoseconds time);

  uint64_t count(Counter counter);
  size_t links() const { return plane_.links_.all().size(); }
  size_t handshakes() const { return plane_.handshaking_.size(); }
  const Link* FindLink(LinkId id) { return plane_.links_.Find(id); }
  // What would end the link at the other end; it goes on here.
  Bytes CloseNotify(LinkId id);
  // 0: nobody's.
  LinkId RemoteOwner(const Endpoint& remote) {
    const LinkTable::Binding* binding = plane_.links_.FindRemote(remote);
    return binding == nullptr ? 0 : binding->link->id;
  }
  // Of packets to that overlay address; 0: nobody.
  LinkId TunnelOwner(const IpAddress& address) {
    const Link* link = plane_.tunnels_.Find(address);
    return link == nullptr ? 0 : link->id;
  }

 private:
  static constexpr uint8_t kLoopback[4] = {127, 0, 0, 1};

  void Flush();

  uint8_t number_;
  DataPlane plane_;
};

// Carries what was sent between these two until nothing moves; datagrams for others stay in `udp_sent`.
void Carry(DataPlaneTester& a, DataPlaneTester& b);

struct Linked {
  LinkId a;
  LinkId b;
};
// Client `a`, server `b`, both bound beforehand; connected, not authorized.
Linked Connect(DataPlaneTester& a, DataPlaneTester& b);

}  // namespace idloc::test
