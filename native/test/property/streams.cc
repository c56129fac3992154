#include <algorithm>

#include "property/properties.h"
#include "support/stream_pair.h"

namespace idloc::test {

namespace {

Bytes MakeDatagram(Source& source, Framing framing, size_t most) {
  Bytes datagram = source.Take(source.Between(1, most));
  if (framing == Framing::kLength) return datagram;
  // ChannelData, or STUN.
  bool is_stun = source.OneIn(2);
  datagram.resize(is_stun ? 20 + datagram.size() / 4 * 4 : kTurnLengthBytes + datagram.size());
  datagram[0] = is_stun ? 1 : 0x40;
  StoreBe16(&datagram[2], static_cast<uint16_t>(datagram.size() - (is_stun ? 20 : kTurnLengthBytes)));
  return datagram;
}

// Keys take longer than all the rest.
struct ServedContexts {
  StreamGuise guise{"", {"http/1.1", kTurnProtocol}};
  SslContext server;
  SslContext clients[2];

  ServedContexts() {
    CHECK(!MakeStreamServer(guise, {}, &server).failed());
    CHECK(!MakeStreamClient({"", {"http/1.1"}}, &clients[0]).failed());
    CHECK(!MakeStreamClient({"", {kTurnProtocol}}, &clients[1]).failed());
  }
};

}  // namespace

void DeframesWhateverItIs(Source& source) {
  // Datagrams, and perhaps something else behind them, cut anywhere.
  std::vector<Bytes> sent;
  const Framing framing = source.OneIn(2) ? Framing::kTurn : Framing::kLength;
  FrameQueue queue(framing);
  for (size_t i = source.Below(8); i > 0; i--) {
    Bytes datagram = MakeDatagram(source, framing, source.OneIn(4) ? kMaxFrameBytes : 40);
    if (queue.Append(datagram.data(), datagram.size(), 1 << 16)) sent.push_back(std::move(datagram));
  }
  Bytes stream;
  while (!queue.empty()) {
    size_t before = stream.size();
    queue.TakeInto(&stream, before + source.Between(kMaxTurnBytes, 4'000));
    CHECK(stream.size() > before);
  }
  size_t ours = stream.size();
  Bytes rest = source.Rest();
  stream.insert(stream.end(), rest.begin(), rest.end());
  Deframer deframer(framing);
  std::vector<Bytes> came;
  Source cuts(ours * 31 + stream.size());
  for (size_t at = 0; at < stream.size();) {
    size_t end = std::min(stream.size(), at + cuts.Between(1, 3'000));
    Bytes part(stream.begin() + static_cast<ptrdiff_t>(at), stream.begin() + static_cast<ptrdiff_t>(end));
    bool right = deframer.Feed(part.data(), part.size(), [&](uint8_t* datagram, size_t n) {
      CHECK(n > 0 && n <= MaxDatagramBytes(framing));
      came.emplace_back(datagram, datagram + n);
    });
    if (!right) break;
    at = end;
  }
  CHECK(came.size() >= sent.size());
  for (size_t i = 0; i < sent.size(); i++) CHECK(came[i] == sent[i]);
}

void SurvivesStreams(Source& source) {
  const Framing framing = source.OneIn(2) ? Framing::kTurn : Framing::kLength;
  StreamPair s = source.OneIn(4) ? StreamPair::Plain(framing) : StreamPair(framing);
  bool was_open = source.OneIn(2);
  if (was_open) s.Carry();
  for (size_t i = source.Between(1, 30); i > 0; i--) {
    TlsStream* stream = source.OneIn(2) ? s.client.get() : s.server.get();
    switch (source.Below(6)) {
      case 0:
        s.Give(stream, source.Take(source.Between(1, 300)));
        break;
      case 1: {
        Bytes datagram = source.OneIn(4) ? source.Take(source.Between(1, kMaxFrameBytes))
                                         : MakeDatagram(source, framing, kMaxFrameBytes);
        stream->Queue(datagram.data(), datagram.size(), source.OneIn(2));
        break;
      }
      case 2:
        stream->Start();
        break;
      case 3:
        s.Carry();
        break;
      case 4: {
        // Changed on its way.
        Bytes bytes = StreamPair::Take(stream);
        if (!bytes.empty()) bytes[source.Below(bytes.size())] ^= static_cast<uint8_t>(source.Between(1, 255));
        s.Give(stream == s.client.get() ? s.server.get() : s.client.get(), bytes);
        break;
      }
      default:
        if (source.OneIn(8)) stream->Close();
        break;
    }
  }
  for (const Bytes& datagram : s.at_server)
    CHECK(!datagram.empty() && datagram.size() <= MaxDatagramBytes(framing));
  for (TlsStream* stream : {s.client.get(), s.server.get()}) stream->Start();
  s.Carry();
  for (TlsStream* stream : {s.client.get(), s.server.get()}) {
    size_t length = 0;
    stream->Output(&length);
    CHECK(length == 0);
  }
}

void TellsWhatStreamsSpeak(Source& source) {
  const bool over_tcp = source.OneIn(3);
  const bool named = !over_tcp && source.OneIn(3);  // by ALPN
  const Framing framing = over_tcp || named || source.OneIn(2) ? Framing::kTurn : Framing::kLength;
  static const ServedContexts kContexts;
  constexpr Nanoseconds kNow = kSecond;
  auto client = over_tcp
                    ? TlsStream::CreatePlain(framing, kNow)
                    : TlsStream::Create(kContexts.clients[named ? 1 : 0].get(), false, {}, kNow, framing);
  auto server = TlsStream::CreateAccepted(kContexts.server.get(), true, kNow);
  std::vector<Bytes> came;
  client->Start();
  std::vector<Bytes> sent;
  for (size_t i = source.Below(6); i > 0; i--) {
    Bytes datagram = MakeDatagram(source, framing, source.OneIn(4) ? kMaxFrameBytes : 40);
    if (sent.empty() && framing == Framing::kTurn && !named) {
      datagram.resize(20 + datagram.size() / 4 * 4);
      datagram[0] = 0;
      StoreBe16(&datagram[2], static_cast<uint16_t>(datagram.size() - 20));
      StoreBe32(&datagram[4], 0x2112a442);
    }
    // A member begins with DTLS or STUN.
    if (sent.empty() && framing == Framing::kLength)
      datagram[0] = static_cast<uint8_t>(source.Between(20, 63));
    if (sent.empty() && framing == Framing::kLength && datagram.size() > 2) datagram[2] = 0xfd;
    if (client->Queue(datagram.data(), datagram.size(), false)) sent.push_back(std::move(datagram));
  }
  Source cuts(source.U32());
  auto give = [&](const Bytes& bytes) {
    for (size_t at = 0; at < bytes.size();) {
      size_t end = std::min(bytes.size(), at + cuts.Between(1, cuts.OneIn(2) ? 8 : 3'000));
      server->Receive(&bytes[at], end - at, kNow,
                      [&](uint8_t* datagram, size_t n) { came.emplace_back(datagram, datagram + n); });
      at = end;
    }
  };
  for (bool moves = true; moves;) {
    Bytes up = StreamPair::Take(client.get());
    give(up);
    Bytes down = StreamPair::Take(server.get());
    client->Receive(down.data(), down.size(), kNow, [](uint8_t*, size_t) {});
    moves = !up.empty() || !down.empty();
  }
  // So little of a member's that it may be more of TURN is kept.
  size_t known = framing == Framing::kLength && sent.size() == 1 && sent[0].size() < 3 ? 0 : sent.size();
  CHECK(came.size() >= known && came.size() <= sent.size());
  for (size_t i = 0; i < known; i++) CHECK(came[i] == sent[i]);
  if (!sent.empty() && known > 0) CHECK(server->framing() == framing);
  give(source.Rest());
  for (const Bytes& datagram : came)
    CHECK(!datagram.empty() && datagram.size() <= MaxDatagramBytes(Framing::kTurn));
}

}  // namespace idloc::test
