#pragma once
// Endpoints as the kernel has them: of their own family, IPv4 not mapped into IPv6.
#include <sys/socket.h>

#include "net/address.h"

namespace idloc {

// Returns the length of the name.
socklen_t ToSockaddr(const Endpoint& endpoint, sockaddr_storage* out);
Endpoint FromSockaddr(const sockaddr_storage& name);

}  // namespace idloc
