#include "property/properties.h"

#include "unit/test.h"

namespace idloc::test {

PROPERTY("a super-packet is segmented into the packets that a network card would send", SegmentsAsACardWould,
         300);
PROPERTY("any vnet header is segmented into packets with right lengths and checksums, or refused",
         SegmentsWhateverItIs, 2000);
PROPERTY("TCP packets for a narrow path are those of a kernel that knows it", SegmentsNoLargerThanTold, 1000);
PROPERTY("fragments, and fragments of fragments, are the packet again", FragmentsComeTogetherAgain, 1000);
PROPERTY("a packet of any bytes gives fragments below the limit, or none", FragmentsWhateverItIs, 2000);
PROPERTY(
    "packets of several flows are joined, and segmented again they are what came, in the order of each flow",
    JoinsWithoutLoss, 500);
PROPERTY("a super-packet that is segmented and joined is itself again", SegmentThenJoin, 300);
PROPERTY("the replay window says what a list of all numbers says", RemembersWhatWasSeen, 2000);
PROPERTY("datagrams leave in order, in groups that UDP_SEGMENT takes", GroupsAsTheKernelTakesThem, 500);
PROPERTY("what waits in the backlog comes out in order and unchanged", QueuesWithoutLoss, 60);
PROPERTY("what is read of a packet lies inside it", ParsesWithinBounds, 2000);
PROPERTY("a header without addresses expands to a whole packet, or is refused", ExpandsWhatWasCompressed,
         2000);
PROPERTY("a Binding request is answered with where it came from, in no more bytes",
         AnswersPlainBindingRequests, 2000);

PROPERTY("what a client of the TURN server asks to send on is read as written, and nothing beside it",
         ReadsSendIndications, 2000);
PROPERTY("what is read of a netlink message lies inside it", ReadsNetlink, 2000);
PROPERTY("AES-GCM of ipsec-mb is that of OpenSSL, and neither opens what was changed", SealsAsTheOtherDoes,
         3000);
PROPERTY("records that are changed, cut, made up or repeated open to nothing", OpensOnlyWhatWasSealed, 500);
PROPERTY("datagrams from anywhere neither end a live link nor get back more than they bring",
         SurvivesDatagrams, 300);
PROPERTY("a link that ends is named by nobody, whatever commands and datagrams come in whatever order",
         SurvivesCommands, 150);
PROPERTY("whatever a member wraps to have it handed on, relay and other end stay as they were", SurvivesHops,
         40);
PROPERTY("datagrams in a stream come out as they went in, whatever follows and wherever it is cut",
         DeframesWhateverItIs, 500);
PROPERTY("a stream whose bytes are made up or changed ends, and takes nothing with it", SurvivesStreams, 60);
PROPERTY("what a stream that was accepted speaks is told by its first bytes, wherever it is cut",
         TellsWhatStreamsSpeak, 60);
PROPERTY("the TUN gets nothing but what the peer may send, whatever peer, programs and commands do",
         CarriesOnlyWhatMayPass, 500);
PROPERTY("every packet comes once and unchanged over a path that loses, repeats and reorders",
         DeliversEachPacketOnce, 200);

}  // namespace idloc::test
