#include "net/sockaddr.h"

#include <netinet/in.h>

#include <cstring>

namespace idloc {

socklen_t ToSockaddr(const Endpoint& endpoint, sockaddr_storage* out) {
  if (endpoint.address.is_v4()) {
    auto* name = reinterpret_cast<sockaddr_in*>(out);
    *name = {};
    name->sin_family = AF_INET;
    name->sin_port = htons(endpoint.port);
    std::memcpy(&name->sin_addr, &endpoint.address.bytes[12], 4);
    return sizeof *name;
  }
  auto* name = reinterpret_cast<sockaddr_in6*>(out);
  *name = {};
  name->sin6_family = AF_INET6;
  name->sin6_port = htons(endpoint.port);
  std::memcpy(&name->sin6_addr, endpoint.address.bytes.data(), 16);
  return sizeof *name;
}

Endpoint FromSockaddr(const sockaddr_storage& name) {
  if (name.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(name);
    return {IpAddress::FromV4(reinterpret_cast<const uint8_t*>(&v4.sin_addr)), ntohs(v4.sin_port)};
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(name);
  return {IpAddress::FromV6(v6.sin6_addr.s6_addr), ntohs(v6.sin6_port)};
}

}  // namespace idloc
