#pragma once
// sd_notify(3): one datagram to the service manager's Unix socket, which Node cannot send.
#include <string>

namespace idloc {

// `socket` is a path, or an abstract name after '@'. 0 or an errno: EAGAIN when the receiver's queue is full;
// never blocks.
int SendNotification(const std::string& socket, const std::string& text);

}  // namespace idloc
