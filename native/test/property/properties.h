#pragma once
// What must hold for every input. Unit tests run these with seeds, fuzz targets with the fuzzer's bytes. A
// property that is broken ends the process (support/check.h).
#include "support/source.h"

namespace idloc::test {

// A super-packet as a kernel makes it comes out as the packets that a network card would send.
void SegmentsAsACardWould(Source& source);
// Any vnet header and packet: no byte outside is touched, and what comes out has right lengths and checksums.
void SegmentsWhateverItIs(Source& source);

// TCP for a path that is narrower than the kernel knows: the packets of a kernel that knows it.
void SegmentsNoLargerThanTold(Source& source);

// Fragments, and fragments of fragments, are the packet again where they are put together.
void FragmentsComeTogetherAgain(Source& source);
// Any packet, any limit: no byte outside is touched, and nothing is larger than the limit.
void FragmentsWhateverItIs(Source& source);

// Packets of several flows, mixed: what the TUN gets, segmented again, is every flow's packets in their
// order.
void JoinsWithoutLoss(Source& source);
// A super-packet, segmented and then joined, is the super-packet again as far as the rules allow; nothing is
// lost.
void SegmentThenJoin(Source& source);

// The replay window says what a set of all numbers seen says, within its width.
void RemembersWhatWasSeen(Source& source);

// The transmit queue sends everything in order, in groups that UDP_SEGMENT takes.
void GroupsAsTheKernelTakesThem(Source& source);

// The backlog is a queue, whatever its entries' sizes, until it says that it is full.
void QueuesWithoutLoss(Source& source);

// Bytes that may be a packet: what is parsed lies inside, and an ICMP answer to it is well-formed.
void ParsesWithinBounds(Source& source);

// A header of a packet without addresses, whatever it says; and a packet that is compressed and expanded is
// itself.
void ExpandsWhatWasCompressed(Source& source);

// Bytes that may be a Binding request: an answer is not longer, and says where the request came from.
void AnswersPlainBindingRequests(Source& source);

// Messages that may have come from rtnetlink.
void ReadsNetlink(Source& source);

// Every implementation of AES-GCM seals to the same bytes, opens what another sealed, and refuses what was
// changed.
void SealsAsTheOtherDoes(Source& source);

// Records of an association in any order, changed, cut, repeated: each comes out at most once, and only what
// was sealed.
void OpensOnlyWhatWasSealed(Source& source);

// What a client of the TURN server asks it to send on: as it was written, and nothing outside of the message.
void ReadsSendIndications(Source& source);

// Datagrams from anywhere to a data plane: bounded answers, bounded state, live links stay.
void SurvivesDatagrams(Source& source);

// Commands, packets and datagrams in any order at three data planes, links that end while they are spoken of:
// nothing names a link that is gone, and all that was begun comes to an end.
void SurvivesCommands(Source& source);

// Whatever a member wraps to have it handed on: relay and other end keep what they have.
void SurvivesHops(Source& source);

// A stream of any bytes, cut anywhere: the datagrams at its beginning come out as they are, and nothing of
// more than the largest.
void DeframesWhateverItIs(Source& source);

// Two ends of a stream, with other bytes in between, changes and ends: neither is stuck, nothing lies
// outside.
void SurvivesStreams(Source& source);

// What comes to a stream that was accepted where TURN is served, by TCP or in TLS, cut anywhere: messages of
// TURN and datagrams of members come out as they were sent, whatever follows.
void TellsWhatStreamsSpeak(Source& source);

// Packets of programs, records of a peer and commands in any order: the TUN gets only what this peer may
// send.
void CarriesOnlyWhatMayPass(Source& source);

// Super-packets through two data planes and a path that loses, repeats and reorders: every packet comes once,
// unchanged.
void DeliversEachPacketOnce(Source& source);

}  // namespace idloc::test
