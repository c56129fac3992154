/** The networks that rtpengine has addresses of, as its configuration names them. */
export const LAN_SIDE = 'lan';
export const OVERLAY_SIDE = 'overlay';
/** Where a gateway's provider is. */
export const OUTSIDE_SIDE = 'outside';
