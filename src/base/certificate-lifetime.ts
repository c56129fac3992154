/** Seconds, of members' certificates: from a minute, for those who try it, to the life of an authority. */
export const CERTIFICATE_LIFETIME_S = { min: 60, max: 20 * 365 * 86_400 };
