#include "stream/framing.h"

#include "support/source.h"
#include "unit/test.h"

namespace idloc::test {

namespace {

std::vector<Bytes> Read(Deframer* deframer, Bytes data, bool* right) {
  std::vector<Bytes> out;
  *right = deframer->Feed(data.data(), data.size(),
                          [&](uint8_t* datagram, size_t n) { out.emplace_back(datagram, datagram + n); });
  return out;
}

Bytes Framed(const std::vector<Bytes>& datagrams) {
  FrameQueue queue;
  for (const Bytes& datagram : datagrams) CHECK(queue.Append(datagram.data(), datagram.size(), 1 << 20));
  Bytes out;
  queue.TakeInto(&out, 1 << 20);
  CHECK(queue.empty());
  return out;
}

}  // namespace

TEST("datagrams come out of a stream as they went in, wherever it was cut") {
  std::vector<Bytes> sent{Bytes(1, 7), Bytes(kMaxFrameBytes, 8), Bytes(300, 9)};
  Bytes stream = Framed(sent);
  for (size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{999}, stream.size()}) {
    Deframer deframer;
    std::vector<Bytes> came;
    for (size_t at = 0; at < stream.size(); at += piece) {
      size_t end = std::min(stream.size(), at + piece);
      bool right = false;
      Bytes part(stream.begin() + static_cast<ptrdiff_t>(at), stream.begin() + static_cast<ptrdiff_t>(end));
      for (Bytes& datagram : Read(&deframer, part, &right)) came.push_back(std::move(datagram));
      CHECK(right);
    }
    CHECK(came == sent);
  }
}

TEST(
    "a length of no datagram ends the stream before anything is kept for it, and an empty one says nothing") {
  Deframer whole;
  bool right = true;
  Bytes long_one{static_cast<uint8_t>((kMaxFrameBytes + 1) >> 8),
                 static_cast<uint8_t>((kMaxFrameBytes + 1) & 0xff)};
  CHECK(Read(&whole, long_one, &right).empty() && !right);
  Deframer cut;
  CHECK(Read(&cut, {long_one[0]}, &right).empty() && right);
  CHECK(Read(&cut, {long_one[1]}, &right).empty() && !right);
  Deframer empty;
  CHECK((Read(&empty, {0, 0, 0, 1, 5}, &right) == std::vector<Bytes>{{5}}) && right);
}

TEST("a queue refuses what does not fit, keeps the rest, and gives whole datagrams only") {
  FrameQueue queue;
  Bytes datagram(98, 1);
  CHECK(queue.Append(datagram.data(), datagram.size(), 250));
  CHECK(queue.Append(datagram.data(), datagram.size(), 250));
  CHECK(!queue.Append(datagram.data(), datagram.size(), 250));
  CHECK(!queue.Append(datagram.data(), 0, 250) && queue.bytes() == 200);
  std::vector<uint8_t> out;
  queue.TakeInto(&out, 150);
  CHECK(out.size() == 100 && queue.bytes() == 100);
  queue.TakeInto(&out, 150);
  CHECK(out.size() == 100);
  queue.TakeInto(&out, 200);
  CHECK(out.size() == 200 && queue.empty());
}

}  // namespace idloc::test
