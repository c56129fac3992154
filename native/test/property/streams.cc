#include <algorithm>

#include "property/properties.h"
#include "support/stream_pair.h"

namespace idloc::test {

void DeframesWhateverItIs(Source& source) {
  // Datagrams, and perhaps something else behind them, cut anywhere.
  std::vector<Bytes> sent;
  FrameQueue queue;
  for (size_t i = source.Below(8); i > 0; i--) {
    Bytes datagram = source.Take(source.Between(1, source.OneIn(4) ? kMaxFrameBytes : 40));
    if (queue.Append(datagram.data(), datagram.size(), 1 << 16)) sent.push_back(std::move(datagram));
  }
  Bytes stream;
  while (!queue.empty()) {
    size_t before = stream.size();
    queue.TakeInto(&stream, before + source.Between(kFrameHeaderBytes + kMaxFrameBytes, 4'000));
    CHECK(stream.size() > before);
  }
  size_t ours = stream.size();
  Bytes rest = source.Rest();
  stream.insert(stream.end(), rest.begin(), rest.end());
  Deframer deframer;
  std::vector<Bytes> came;
  Source cuts(ours * 31 + stream.size());
  for (size_t at = 0; at < stream.size();) {
    size_t end = std::min(stream.size(), at + cuts.Between(1, 3'000));
    Bytes part(stream.begin() + static_cast<ptrdiff_t>(at), stream.begin() + static_cast<ptrdiff_t>(end));
    bool right = deframer.Feed(part.data(), part.size(), [&](uint8_t* datagram, size_t n) {
      CHECK(n > 0 && n <= kMaxFrameBytes);
      came.emplace_back(datagram, datagram + n);
    });
    if (!right) break;
    at = end;
  }
  CHECK(came.size() >= sent.size());
  for (size_t i = 0; i < sent.size(); i++) CHECK(came[i] == sent[i]);
}

void SurvivesStreams(Source& source) {
  StreamPair s;
  bool was_open = source.OneIn(2);
  if (was_open) s.Carry();
  for (size_t i = source.Between(1, 30); i > 0; i--) {
    TlsStream* stream = source.OneIn(2) ? s.client.get() : s.server.get();
    switch (source.Below(5)) {
      case 0:
        s.Give(stream, source.Take(source.Between(1, 300)));
        break;
      case 1: {
        Bytes datagram = source.Take(source.Between(1, kMaxFrameBytes));
        stream->Queue(datagram.data(), datagram.size(), source.OneIn(2));
        break;
      }
      case 2:
        s.Carry();
        break;
      case 3: {
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
  for (const Bytes& datagram : s.at_server) CHECK(!datagram.empty() && datagram.size() <= kMaxFrameBytes);
  s.Carry();
  for (TlsStream* stream : {s.client.get(), s.server.get()}) {
    size_t length = 0;
    stream->Output(&length);
    CHECK(length == 0);
  }
}

}  // namespace idloc::test
