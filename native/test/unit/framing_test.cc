#include "stream/framing.h"

#include <algorithm>

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
  FrameQueue queue(Framing::kLength);
  for (const Bytes& datagram : datagrams) CHECK(queue.Append(datagram.data(), datagram.size(), 1 << 20));
  Bytes out;
  queue.TakeInto(&out, 1 << 20);
  CHECK(queue.empty());
  return out;
}

Bytes Stun(size_t attributes) {
  Bytes out(20 + attributes, 7);
  StoreBe16(out.data(), 0x0101);
  StoreBe16(out.data() + 2, static_cast<uint16_t>(attributes));
  return out;
}

Bytes Channel(size_t length) {
  Bytes out(kTurnLengthBytes + length, 9);
  StoreBe16(out.data(), 0x4001);
  StoreBe16(out.data() + 2, static_cast<uint16_t>(length));
  return out;
}

Bytes Padded(Bytes message) {
  while (message.size() % kTurnPadding != 0) message.push_back(0);
  return message;
}

// What comes of it in pieces of so many bytes.
std::vector<Bytes> ReadTurn(const Bytes& stream, size_t piece, bool* right) {
  Deframer deframer(Framing::kTurn);
  std::vector<Bytes> out;
  *right = true;
  for (size_t at = 0; at < stream.size() && *right; at += piece) {
    size_t end = std::min(stream.size(), at + piece);
    Bytes part(stream.begin() + static_cast<ptrdiff_t>(at), stream.begin() + static_cast<ptrdiff_t>(end));
    for (Bytes& message : Read(&deframer, part, right)) out.push_back(std::move(message));
  }
  return out;
}

void Append(Bytes* to, const Bytes& more) { to->insert(to->end(), more.begin(), more.end()); }

}  // namespace

TEST("datagrams come out of a stream as they went in, wherever it was cut") {
  std::vector<Bytes> sent{Bytes(1, 7), Bytes(kMaxFrameBytes, 8), Bytes(300, 9)};
  Bytes stream = Framed(sent);
  for (size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{999}, stream.size()}) {
    Deframer deframer(Framing::kLength);
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
  Deframer whole(Framing::kLength);
  bool right = true;
  Bytes long_one{static_cast<uint8_t>((kMaxFrameBytes + 1) >> 8),
                 static_cast<uint8_t>((kMaxFrameBytes + 1) & 0xff)};
  CHECK(Read(&whole, long_one, &right).empty() && !right);
  Deframer cut(Framing::kLength);
  CHECK(Read(&cut, {long_one[0]}, &right).empty() && right);
  CHECK(Read(&cut, {long_one[1]}, &right).empty() && !right);
  Deframer empty(Framing::kLength);
  CHECK((Read(&empty, {0, 0, 0, 1, 5}, &right) == std::vector<Bytes>{{5}}) && right);
}

TEST("a queue refuses what does not fit, keeps the rest, and gives whole datagrams only") {
  FrameQueue queue(Framing::kLength);
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

TEST("STUN and ChannelData come out of a TURN stream whole and without padding, wherever it was cut") {
  std::vector<Bytes> sent{Stun(0),    Channel(1), Channel(2), Stun(8),
                          Channel(3), Channel(4), Channel(0), Channel(kMaxFrameBytes)};
  Bytes stream;
  for (const Bytes& message : sent) Append(&stream, Padded(message));
  for (size_t piece : {size_t{1}, size_t{3}, size_t{7}, size_t{1000}, stream.size()}) {
    bool right = false;
    CHECK(ReadTurn(stream, piece, &right) == sent && right);
  }
}

TEST("what is neither STUN nor ChannelData ends a TURN stream at its fourth byte") {
  for (const Bytes& bad :
       {Bytes{'S', 'S', 'H', '-'}, Bytes{0x50, 0, 0, 4}, Bytes{4, 0, 0, 4}, Bytes{1, 1, 0, 3}}) {
    for (size_t piece : {size_t{1}, size_t{4}}) {
      bool right = true;
      CHECK(ReadTurn(bad, piece, &right).empty() && !right);
    }
  }
}

TEST("a message that is too large is passed over, as anybody can have a TURN server hand it on") {
  const Bytes large[] = {Channel(kMaxTurnBytes), Channel(0xffff), Stun(0xfffc)};
  for (const Bytes& message : large) {
    Bytes stream = Padded(message);
    Append(&stream, Channel(4));
    for (size_t piece : {size_t{1}, size_t{3}, size_t{1000}, stream.size()}) {
      bool right = false;
      CHECK((ReadTurn(stream, piece, &right) == std::vector<Bytes>{Channel(4)}) && right);
    }
  }
}

TEST("to a TURN server goes nothing but whole messages, padded, and never part of one") {
  FrameQueue queue(Framing::kTurn);
  Bytes cut = Channel(8);
  cut.pop_back();
  Bytes longer = Stun(4);
  longer.push_back(0);
  const Bytes refused[] = {{}, {1, 1, 0}, {0x16, 0xfe, 0xfd, 0}, cut, longer, Channel(kMaxTurnBytes)};
  for (const Bytes& message : refused) CHECK(!queue.Append(message.data(), message.size(), 1 << 20));
  std::vector<Bytes> sent{Channel(5), Stun(4), Channel(0)};
  for (const Bytes& message : sent) CHECK(queue.Append(message.data(), message.size(), 1 << 20));
  CHECK(queue.bytes() == 12 + 24 + 4);
  Bytes stream;
  queue.TakeInto(&stream, 20);
  CHECK(stream == Padded(Channel(5)));
  queue.TakeInto(&stream, 1 << 20);
  bool right = false;
  CHECK(ReadTurn(stream, stream.size(), &right) == sent && right && queue.empty());
}

}  // namespace idloc::test
