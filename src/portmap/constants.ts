// Specification.

/** RFC 6886 s1.1, RFC 6887 s19.1: NAT-PMP and PCP servers. */
export const GATEWAY_PORT = 5351;
/** RFC 6886 s3.2.1, RFC 6887 s8.1: where servers multicast that they have started, to all hosts (224.0.0.1). */
export const ANNOUNCEMENT_PORT = 5350;
export const ANNOUNCEMENT_GROUP = '224.0.0.1';
/** UPnP Device Architecture s1.1.2. */
export const SEARCH_PORT = 1900;
export const SEARCH_GROUP = '239.255.255.250';
/** RFC 6887 s7: "Maximum PCP message size is 1100 octets". */
export const MAX_PCP_BYTES = 1_100;

// Implementation.

/** RFC 6886 s3.3 recommends two hours; routers that lost our mapping, and did not say so, get it back sooner. */
export const LIFETIME_S = 3_600;
/** UPnP's routers do not say that they have started anew. */
export const UPNP_LEASE_S = 1_200;
/** Whatever the router grants: it is asked no more often than twice a minute, and not trusted for more than a day. */
export const MIN_LIFETIME_S = 60;
export const MAX_LIFETIME_S = 86_400;

/** A router on the LAN answers within milliseconds; RFC 6887 s8.1.1's first pause of 3 s would hold up the other protocols. */
export const TRIES_MS: readonly number[] = [0, 250, 750];
export const TRIES_LIMIT_MS = 1_750;
/** A device may take its MX of one second. */
export const SEARCHES_MS: readonly number[] = [0, 500, 1_000];
export const SEARCH_LIMIT_MS = 2_500;
/** Of one HTTP request: routers are slow computers. */
export const HTTP_LIMIT_MS = 4_000;
/** Of all of an attempt by UPnP. */
export const UPNP_LIMIT_MS = 15_000;

/** Nobody mapped: asked again. */
export const ASK_AGAIN_MS = 600_000;
/** Between two rounds that something outside begins: a change of network, a router's announcement. */
export const LEAST_PAUSE_MS = 10_000;

/** Of an SSDP answer. */
export const MAX_SEARCH_ANSWER_BYTES = 2_048;
/** Of an HTTP answer: the largest device descriptions have about 20 KiB. The costliest 32 KiB are read in 5 ms. */
export const MAX_DOCUMENT_BYTES = 32_768;
/** Descriptions that are read, and services in one: of many devices the gateway is one. */
export const MAX_LOCATIONS = 4;
export const MAX_SERVICES = 8;
/** Another port is asked for so often when somebody has the one that we want. */
export const MAX_OTHER_PORTS = 4;
