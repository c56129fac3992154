#include "udp/udp_socket.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

#include "link/record_format.h"
#include "udp/first_byte.h"
#include "udp/receive_depth.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

namespace idloc {

namespace {

// Half of it, in payload: the kernel doubles the value for its own bookkeeping.
constexpr int kSendBufferBytes = 512 * 1024;

// Of Bind only: this host has no IPv6.
constexpr const char* kNoFamily = "no_family";

void SetBuffer(int fd, int force, int plain, int bytes) {
  // The forced form passes net.core.[rw]mem_max and needs CAP_NET_ADMIN.
  if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes) != 0) {
    setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
  }
}

// Never fragmented, by us or on the way, and what the kernel learns by ICMP plays no part: path MTU discovery
// is done by probes, and anybody could forge such a message.
void ForbidFragments(int fd, bool v6) {
  int probe = IP_PMTUDISC_PROBE;
  setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe);
  probe = IPV6_PMTUDISC_PROBE;
  if (v6) setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof probe);
}

socklen_t FillName(bool v6, const Endpoint& remote, sockaddr_storage* out) {
  if (v6) {
    auto* name = reinterpret_cast<sockaddr_in6*>(out);
    *name = {};
    name->sin6_family = AF_INET6;
    name->sin6_port = htons(remote.port);
    std::memcpy(&name->sin6_addr, remote.address.bytes.data(), 16);
    return sizeof *name;
  }
  auto* name = reinterpret_cast<sockaddr_in*>(out);
  *name = {};
  name->sin_family = AF_INET;
  name->sin_port = htons(remote.port);
  std::memcpy(&name->sin_addr, &remote.address.bytes[12], 4);
  return sizeof *name;
}

template <typename T>
void AppendControl(msghdr* message, int level, int type, const T& value) {
  auto* header =
      reinterpret_cast<cmsghdr*>(static_cast<uint8_t*>(message->msg_control) + message->msg_controllen);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(header), &value, sizeof value);
  message->msg_controllen += CMSG_SPACE(sizeof value);
}

}  // namespace

Error UdpSocket::Open(uint16_t port, Counters* counters) {
  counters_ = counters;
  Error error = Bind(port, false);
  if (error.code == kNoFamily) {
    v6_ = false;
    error = Bind(port, false);
  }
  if (error.failed()) return error;
  Configure();
  return {};
}

Error UdpSocket::OpenOn(int device, UdpSocket* first, Counters* counters) {
  counters_ = counters;
  v6_ = first->v6_;
  device_ = device;
  Error error = Bind(first->port(), true);
  if (error.failed()) return error;
  Configure();
  return {};
}

Error UdpSocket::OpenUrgent(UdpSocket* first, Counters* counters) {
  counters_ = counters;
  v6_ = first->v6_;
  device_ = first->device_;
  // After its bind: whoever else binds the port, another agent too, is still told that it is in use.
  int on = 1;
  setsockopt(first->fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  Error error = Bind(first->port(), true);
  if (error.failed()) return error;
  Configure();
  // Offsets count from the UDP payload. Returns the index of the socket, in the order of the binds.
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kFirstDtlsByte, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kLastStunByte, 9, 8),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kLastDtlsByte, 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kContentConnectionId, 4, 0),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, kRecordEpochOffset),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kRecordHeaderBytes),
      BPF_STMT(BPF_JMP | BPF_JA, 1),
      // The connection ID is ours, so its length is known.
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kRecordHeaderBytes + kConnectionIdBytes),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kUrgentNonceBit, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  sock_fprog program{sizeof code / sizeof code[0], code};
  // Refused: each sender's datagrams all go to one of the two, and nothing is urgent.
  setsockopt(fd(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
  return {};
}

Error UdpSocket::Bind(uint16_t port, bool shared) {
  int on = 1;
  int off = 0;
  fd_ = Fd(socket(v6_ ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_.valid()) {
    if (v6_) return {kNoFamily, ""};
    return {"no_socket", std::string("cannot make a UDP socket: ") + std::strerror(errno) +
                             "; check the limits of this user"};
  }
  if (shared) setsockopt(fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (device_ != 0 && setsockopt(fd(), SOL_SOCKET, SO_BINDTOIFINDEX, &device_, sizeof device_) != 0) {
    int error = errno;
    fd_.Reset();
    return {"no_device", "cannot bind a socket to interface " + std::to_string(device_) + ": " +
                             std::strerror(error) + "; its routes are left to the kernel"};
  }
  sockaddr_storage name{};
  socklen_t length;
  if (v6_) {
    setsockopt(fd(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    setsockopt(fd(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    length = FillName(true, {{}, port}, &name);
  } else {
    setsockopt(fd(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    length = FillName(false, {{}, port}, &name);
  }
  if (bind(fd(), reinterpret_cast<sockaddr*>(&name), length) != 0) {
    int error = errno;
    fd_.Reset();
    std::string text = "UDP port " + std::to_string(port);
    if (error == EADDRINUSE) {
      return {"port_in_use", text + " is in use by another program; stop it or choose another port"};
    }
    if (error == EACCES) {
      return {"no_privilege", text + " needs the capability CAP_NET_BIND_SERVICE; choose a port above 1023"};
    }
    // IPv6 is compiled in but switched off.
    if (v6_) return {kNoFamily, ""};
    return {"no_socket", "cannot bind " + text + ": " + std::strerror(error) + "; choose another port"};
  }
  length = sizeof name;
  getsockname(fd(), reinterpret_cast<sockaddr*>(&name), &length);
  port_ = ntohs(v6_ ? reinterpret_cast<sockaddr_in6*>(&name)->sin6_port
                    : reinterpret_cast<sockaddr_in*>(&name)->sin_port);
  return {};
}

void UdpSocket::Configure() {
  int on = 1;
  int off = 0;
  SetReceiveDepth(ReceiveDepth::kFirst);
  SetBuffer(fd(), SO_SNDBUFFORCE, SO_SNDBUF, kSendBufferBytes);
  // Linux 5.0: several datagrams of a sender come as one buffer. Without it each comes alone.
  setsockopt(fd(), IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  // Linux 4.18: 0 as the socket's own value changes nothing, but tells whether the kernel knows the option.
  can_segment_ = setsockopt(fd(), IPPROTO_UDP, UDP_SEGMENT, &off, sizeof off) == 0;
  ForbidFragments(fd(), v6_);
  // A dual-stack socket is told both ways.
  setsockopt(fd(), IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
  if (v6_) setsockopt(fd(), IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on);
}

void UdpSocket::TurnAway() {
  // Connected, it matches only what comes from there (RFC 5737: nobody). Connecting sends nothing. It fails
  // when the device is down, and then nothing comes.
  uint8_t nobody[4] = {192, 0, 2, 1};
  sockaddr_storage name;
  socklen_t length = FillName(v6_, {IpAddress::FromV4(nobody), 9}, &name);
  [[maybe_unused]] int result = connect(fd(), reinterpret_cast<sockaddr*>(&name), length);
}

void UdpSocket::SetReceiveDepth(size_t bytes) {
  SetBuffer(fd(), SO_RCVBUFFORCE, SO_RCVBUF, static_cast<int>(bytes));
}

size_t UdpSocket::Receive(Received* batch, Buffers* buffers) {
  auto& [data, messages, vectors, names, controls] = *buffers;
  for (size_t i = 0; i < kBatch; i++) {
    vectors[i] = {&data[i * Buffers::kBytes + kHeadroom], Buffers::kBytes - kHeadroom};
    msghdr& message = messages[i].msg_hdr;
    message.msg_name = &names[i];
    message.msg_namelen = sizeof names[i];
    message.msg_iov = &vectors[i];
    message.msg_iovlen = 1;
    message.msg_control = controls[i];
    message.msg_controllen = Buffers::kControlBytes;
    message.msg_flags = 0;
  }
  int received = recvmmsg(fd(), messages, kBatch, MSG_DONTWAIT, nullptr);
  // Errors are about datagrams sent earlier (RFC 1122 s4.1.3.3) and are cleared by being read.
  if (received <= 0) return 0;
  counters_->Add(Counter::udpReceiveCalls);
  uint64_t bytes = 0;
  uint64_t datagrams = 0;
  for (int i = 0; i < received; i++) {
    Received& out = batch[i];
    out.data = &data[static_cast<size_t>(i) * Buffers::kBytes + kHeadroom];
    out.length = messages[i].msg_len;
    out.segment = out.length;
    out.local = {};
    out.traffic_class = 0;
    if (v6_) {
      auto* name = reinterpret_cast<sockaddr_in6*>(&names[i]);
      out.remote.address = IpAddress::FromV6(name->sin6_addr.s6_addr);
      out.remote.port = ntohs(name->sin6_port);
    } else {
      auto* name = reinterpret_cast<sockaddr_in*>(&names[i]);
      out.remote.address = IpAddress::FromV4(reinterpret_cast<uint8_t*>(&name->sin_addr));
      out.remote.port = ntohs(name->sin_port);
    }
    msghdr* message = &messages[i].msg_hdr;
    for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
      if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
        int segment;
        std::memcpy(&segment, CMSG_DATA(c), sizeof segment);
        if (segment > 0) out.segment = static_cast<size_t>(segment);
      } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
        in6_pktinfo info;
        std::memcpy(&info, CMSG_DATA(c), sizeof info);
        out.local = IpAddress::FromV6(info.ipi6_addr.s6_addr);
      } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        in_pktinfo info;
        std::memcpy(&info, CMSG_DATA(c), sizeof info);
        out.local = IpAddress::FromV4(reinterpret_cast<uint8_t*>(&info.ipi_addr));
      } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
        out.traffic_class = *CMSG_DATA(c);
      } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
        int value;
        std::memcpy(&value, CMSG_DATA(c), sizeof value);
        out.traffic_class = static_cast<uint8_t>(value);
      }
    }
    bytes += out.length;
    datagrams += out.segment == 0 ? 1 : (out.length + out.segment - 1) / out.segment;
  }
  counters_->Add(Counter::udpReceivedBytes, bytes);
  counters_->Add(Counter::udpReceivedDatagrams, datagrams);
  return static_cast<size_t>(received);
}

SendResult UdpSocket::SendOne(const Path& path, const uint8_t* data, size_t length, size_t segment,
                              uint8_t traffic_class, int* error) {
  sockaddr_storage name;
  alignas(cmsghdr) uint8_t control[Buffers::kControlBytes];
  iovec vector{const_cast<uint8_t*>(data), length};
  msghdr message{};
  if (!v6_ && !path.remote.address.is_v4()) {
    *error = EAFNOSUPPORT;
    return SendResult::kFailed;
  }
  message.msg_name = &name;
  message.msg_namelen = FillName(v6_, path.remote, &name);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  if (!path.local.unset() && path.local.is_v4() == path.remote.address.is_v4()) {
    if (v6_) {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, path.local.bytes.data(), 16);
      AppendControl(&message, IPPROTO_IPV6, IPV6_PKTINFO, info);
    } else {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, &path.local.bytes[12], 4);
      AppendControl(&message, IPPROTO_IP, IP_PKTINFO, info);
    }
  }
  if (length > segment) AppendControl(&message, IPPROTO_UDP, UDP_SEGMENT, static_cast<uint16_t>(segment));
  if (traffic_class != 0) {
    int value = traffic_class;
    bool v4 = path.remote.address.is_v4();
    AppendControl(&message, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, value);
  }
  if (message.msg_controllen == 0) message.msg_control = nullptr;

  // A pending error of an earlier datagram is reported once by the next call and says nothing about this one.
  for (int attempt = 0; attempt < 2; attempt++) {
    if (sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
      counters_->Add(Counter::udpSendCalls);
      counters_->Add(Counter::udpSentBytes, length);
      counters_->Add(Counter::udpSentDatagrams, (length + segment - 1) / segment);
      return SendResult::kSent;
    }
    *error = errno;
    if (*error == EAGAIN) return SendResult::kBlocked;
    if (*error != ECONNREFUSED && *error != EINTR) break;
  }
  counters_->Add(Counter::udpSendErrors);
  return SendResult::kFailed;
}

SendResult UdpSocket::Send(const Path& path, const uint8_t* data, size_t length, size_t segment,
                           uint8_t traffic_class) {
  int error = 0;
  if (length <= segment) return SendOne(path, data, length, length, traffic_class, &error);
  if (can_segment_) {
    SendResult result = SendOne(path, data, length, segment, traffic_class, &error);
    if (result != SendResult::kFailed) return result;
    // EIO: the device cannot checksum (udp(7)), so it will not learn. EINVAL and EMSGSIZE: larger than this
    // path's MTU.
    if (error == EIO) can_segment_ = false;
    if (error != EIO && error != EINVAL && error != EMSGSIZE) return result;
  }
  SendResult last = SendResult::kSent;
  for (size_t at = 0; at < length; at += segment) {
    size_t piece = length - at < segment ? length - at : segment;
    last = SendOne(path, data + at, piece, piece, traffic_class, &error);
    // Blocked half-way: the rest is lost, as on a full queue; repeating the start would duplicate it.
    if (last == SendResult::kBlocked) return at == 0 ? last : SendResult::kFailed;
  }
  return last;
}

}  // namespace idloc
