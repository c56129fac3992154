#include "net/compressed_header.h"

#include <cstring>

#include "base/bytes.h"
#include "net/checksum.h"

namespace idloc {

namespace {
constexpr size_t kMaxPacketBytes = 65'535;
}  // namespace

size_t CompressHeader(const uint8_t* packet, uint8_t* out) {
  out[0] = static_cast<uint8_t>(kCompressed << 4 | packet[0] >> 4);
  if (packet[0] >> 4 == 4) {
    out[1] = packet[1];
    std::memcpy(out + 2, packet + 4, 6);
    return kCompressedIpv4Bytes;
  }
  out[1] = static_cast<uint8_t>(packet[0] << 4 | packet[1] >> 4);
  out[2] = packet[6];
  out[3] = packet[7];
  out[4] = packet[1] & 0x0f;
  out[5] = packet[2];
  out[6] = packet[3];
  return kCompressedIpv6Bytes;
}

bool ExpandHeader(const uint8_t* data, size_t length, const IpAddress& source, const IpAddress& destination,
                  uint8_t* out, PacketView* view, size_t* header_bytes) {
  if (length == 0 || data[0] >> 4 != kCompressed) return false;
  view->source = source;
  view->destination = destination;
  if ((data[0] & 0x0f) == 6) {
    if (length < kCompressedIpv6Bytes || (data[4] & 0xf0) != 0) return false;
    size_t payload = length - kCompressedIpv6Bytes;
    if (payload > kMaxPacketBytes) return false;
    out[0] = static_cast<uint8_t>(0x60 | data[1] >> 4);
    out[1] = static_cast<uint8_t>(data[1] << 4 | data[4]);
    out[2] = data[5];
    out[3] = data[6];
    StoreBe16(out + 4, static_cast<uint16_t>(payload));
    out[6] = data[2];
    out[7] = data[3];
    std::memcpy(out + 8, source.bytes.data(), 16);
    std::memcpy(out + 24, destination.bytes.data(), 16);
    view->v6 = true;
    view->length = kIpv6HeaderBytes + payload;
    view->transport_offset = kIpv6HeaderBytes;
    view->protocol = data[2];
    view->plain = IsPlainIpv6(data[2]);
    *header_bytes = kCompressedIpv6Bytes;
    return true;
  }
  if ((data[0] & 0x0f) != 4 || length < kCompressedIpv4Bytes) return false;
  size_t total = kIpv4HeaderBytes + length - kCompressedIpv4Bytes;
  if (total > kMaxPacketBytes) return false;
  out[0] = 0x45;
  out[1] = data[1];
  StoreBe16(out + 2, static_cast<uint16_t>(total));
  std::memcpy(out + 4, data + 2, 6);
  StoreBe16(out + 10, 0);
  std::memcpy(out + 12, &source.bytes[12], 4);
  std::memcpy(out + 16, &destination.bytes[12], 4);
  StoreSum(out + 10, static_cast<uint16_t>(~ChecksumFold(ChecksumAdd(0, out, kIpv4HeaderBytes))));
  view->v6 = false;
  view->length = total;
  view->transport_offset = kIpv4HeaderBytes;
  view->protocol = data[7];
  view->plain = !IsIpv4Fragment(data + 4);
  *header_bytes = kCompressedIpv4Bytes;
  return true;
}

}  // namespace idloc
