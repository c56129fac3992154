const NUMBER = /^\+?[0-9*#]{1,32}$/;
/** As SIP writes an address: `carol@example.org`. */
const ADDRESS = /^[A-Za-z0-9._+*#-]{1,64}@([A-Za-z0-9.-]{1,128})$/;

/**
 * Who is said to have called. A host may write anything there: it is believed where a gateway that this host has named says it, and only of
 * callers that are no members.
 * @param said by the host that has left the message
 * @param member whose host that is, as its signature proves
 */
export function shownCaller(
  said: string,
  member: string,
  { overlay, gateways }: { readonly overlay: string; readonly gateways: readonly string[] },
): string {
  if (!gateways.includes(member)) return member;
  if (NUMBER.test(said)) return said;
  const domain = ADDRESS.exec(said)?.[1]?.toLowerCase();
  return domain === undefined || domain === overlay || domain.endsWith(`.${overlay}`) ? member : said;
}
