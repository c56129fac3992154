#pragma once
// Sockets for programs in JavaScript that must know by which interface something came.
#include <optional>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "net/address.h"

namespace idloc {

enum class Transport { kUdp, kTcp };

// A socket at this very address, which hears only what comes by the interface: Linux takes what comes by any
// other for an address of this host too, with whatever sender it names. Not blocking; of TCP not listening
// yet. `code` is the errno's name.
Error BindSocket(Transport transport, const Endpoint& local, const std::string& interface_name, Fd* out);

// Where this socket of IP listens for connections, if it is one and does.
std::optional<Endpoint> ListensAt(int fd);

}  // namespace idloc
