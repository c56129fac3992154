/**
 * Names of `DataPlane.counters`, in its order. The list in native/src/base/counters.h is the other half of this
 * contract; the addon is refused when they differ.
 */
export const COUNTER_NAMES = [
  /** The socket: GRO and UDP_SEGMENT make many datagrams of one call. */
  'udpReceivedDatagrams',
  'udpReceivedBytes',
  'udpReceiveCalls',
  'udpSentDatagrams',
  'udpSentBytes',
  'udpSendCalls',
  'udpSendErrors',
  /** Datagrams by kind (RFC 7983). */
  'stunReceived',
  'stunSent',
  /** Requests of peers that ask how we see them, of those received. */
  'bindingsAnswered',
  /** Bencoded datagrams: BitTorrent's Mainline DHT. */
  'foreignReceived',
  'foreignSent',
  'handshakeReceived',
  'handshakeSent',
  'cookiesSent',
  /** Associations. */
  'handshakesStarted',
  'handshakesCompleted',
  'handshakesFailed',
  /** Records for JavaScript, and echo requests answered below. */
  'recordsReceived',
  'recordsSent',
  'echoesAnswered',
  /** Path MTU discovery. */
  'probesSent',
  'probesAnswered',
  /** Paths of links whose peers bear connection IDs: asked whether they work, and asked by the peer; links that go by another one; that have none which answers. */
  'pathProbesSent',
  'pathProbesAnswered',
  'pathsMoved',
  'pathsSilent',
  /** Urgent ones, while their path is suspect: by another one as well. */
  'recordsSentTwice',
  /** Links that have new keys; attempts that came to nothing, the old keys go on. */
  'rekeysCompleted',
  'rekeysFailed',
  /** Signs of life that were asked for on links that rest. */
  'keepalivesSent',
  /** Datagrams handed on between two members; our own that another member hands on, sent and received. */
  'hopsForwarded',
  'hopsForwardedBytes',
  'hopsSent',
  'hopsReceived',
  /** Streams (TLS over TCP) that this host dialed, accepted, and that are over; datagrams by them. */
  'streamsDialed',
  'streamsAccepted',
  'streamsEnded',
  'streamSent',
  'streamReceived',
  /** Datagrams by a TURN server. */
  'turnSent',
  'turnReceived',
  'turnRelayed',
  'turnRelayedBytes',
  /** The TUN; reads and writes are of super-packets. */
  'tunReads',
  'tunReadBytes',
  'tunWrites',
  'tunWrittenBytes',
  /** The interface was deleted by someone else. */
  'tunLost',
  'uplinksUnbound',
  /** Packets of programs that passed, and what became of those without a link. */
  'packetsOut',
  'packetsIn',
  /** Flows that were recognised as voice by their rhythm. */
  'voiceFlows',
  'misses',
  'packetsHeld',
  'packetsReleased',
  'unreachablesSent',
  /** Larger than their path: sent as fragments; Packet Too Big told to the program. */
  'packetsFragmented',
  'tooBigSent',
  /** Packets of a peer that came before it was authorized, or before its IPv4 claim was known. */
  'earlyHeld',
  'earlyReleased',
  /** The way up to JavaScript. */
  'eventsQueued',
  'wakeups',
  /** Dropped: first byte of the datagram is none of ours; too many checks of a remote or of all; too many or too large bencoded ones. */
  'dropUnknownProtocol',
  'dropStunFlood',
  'dropForeignFlood',
  /** Dropped: from a remote without a link, with a connection ID of no link. */
  'dropUnboundRecord',
  'dropUnboundHandshake',
  'dropUnknownConnection',
  /** Dropped: not a record, not authentic, seen before, too early, of no known content. */
  'dropBadRecord',
  'dropReplayed',
  /** Dropped: under keys that are gone since the link has new ones, or never were. */
  'dropUnknownEpoch',
  'dropNotConnected',
  'dropUnexpectedContent',
  /** Dropped: handshakes that were over, begun by a peer for new keys again and again, too many, or without a certificate of our own. */
  'dropStaleHandshake',
  'dropRekeyFlood',
  'dropHalfOpen',
  'dropNoCredentials',
  /**
   * Dropped of what is to be handed on: it is off here, or no datagram of a link; there is no link to whom it is for; more than
   * the member may have, or all. Of our own: no link to who should hand it on.
   */
  'dropHopRefused',
  'dropHopUnknown',
  'dropHopQuota',
  'dropNoRelay',
  /**
   * Dropped: streams beyond what one address, or all, may have, and what came by one and is no datagram of a link, or by UDP as if
   * by one; more than a stream takes; for a stream that is not there.
   */
  'dropStreamRefused',
  'dropStreamFull',
  'dropNoStream',
  /** Dropped: from a TURN server, of no channel that is bound or no datagram of a link; for a peer without a channel. */
  'dropTurnRefused',
  'dropTurnQuota',
  'dropNoChannel',
  /** Dropped: inner addresses that are not the peer's and ours. */
  'dropInnerSource',
  'dropInnerDestination',
  'dropForeignSource',
  /** Dropped: what the kernel says to the link itself; not a packet. */
  'dropMulticast',
  'dropMalformedPacket',
  /** Dropped: a packet with a wrong checksum, which would arrive with a right one: headers are compressed, packets are joined. */
  'dropBadChecksum',
  /** Dropped: a packet of a peer with its addresses left out, of no known form. */
  'dropBadCompressed',
  /** Dropped: the network is congested, and the sender would not understand the mark (RFC 6040 s4.2). */
  'dropCongested',
  /** Dropped: waited for a link in vain. */
  'dropHeldOverflow',
  'dropHeldExpired',
  'dropRefused',
  /** Dropped: came early, and were too many, waited too long, or their link was closed. */
  'dropEarlyOverflow',
  'dropEarlyExpired',
  'dropEarlyClosed',
  /** Dropped: on the way out of or into this host. */
  'dropBacklogFull',
  'dropSendQueueFull',
  'dropSendFailed',
  'dropNoPath',
  'dropTunWrite',
  /** Dropped: JavaScript was too slow, or asked for too much. */
  'dropEventsFull',
  'dropCommandsFull',
  'dropOversizedRecord',
] as const;

export type CounterName = (typeof COUNTER_NAMES)[number];

/** The value of one counter of the live view. */
export function counterValue(counters: BigUint64Array, name: CounterName): bigint {
  return counters[COUNTER_NAMES.indexOf(name)] ?? 0n;
}
