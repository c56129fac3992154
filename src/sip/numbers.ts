import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js';
import { isSosUrn, parseUri, uriScheme } from './message/uri.ts';

/** E.164 allows 15 digits; service numbers and what a telephone exchange adds are longer. */
const MAX_DIGITS = 32;
/** RFC 3966 s5.1.1, visual-separator. */
const SEPARATORS = /[-.()\s]/g;
/** 3GPP TS 22.101 s10.1: in all networks. */
const COMMON_EMERGENCY_NUMBER = '112';

/** Numbers that call for help in most countries. */
export const DEFAULT_EMERGENCY_NUMBERS: readonly string[] = [
  ...[COMMON_EMERGENCY_NUMBER, '911', '999', '000', '110', '113', '115', '117', '118', '119', '144'],
];

/** A number that was dialled. */
export interface DialledNumber {
  /** `+4930123456` (E.164), or what only the one who connects understands: `112`, `100`, `*21`. */
  readonly number: string;
  readonly isEmergency: boolean;
}

/** How numbers are read that say no country. */
export interface NumberPlan {
  /** ISO 3166, such as `DE`; undefined: such numbers stay as they are. */
  readonly country?: string | undefined;
  readonly emergency?: readonly string[] | undefined;
}

export function isCountry(code: string): code is CountryCode {
  return isSupportedCountry(code);
}

/**
 * The number that a URI calls: of `tel:` (RFC 3966), `urn:service:sos`, and of a SIP URI whose user is one (RFC 3261 s19.1.6).
 * @returns undefined for what is no number.
 */
export function dialledNumber(uri: string, plan: NumberPlan): DialledNumber | undefined {
  if (isSosUrn(uri)) return { number: plan.emergency?.[0] ?? COMMON_EMERGENCY_NUMBER, isEmergency: true };
  if (uriScheme(uri) !== 'tel') return readNumber(parseUri(uri)?.user ?? '', plan);
  const [digits = '', ...params] = uri.slice('tel:'.length).split(';');
  const context = params.find((param) => param.toLowerCase().startsWith('phone-context=+'))?.slice(14) ?? '';
  // s5.1.5: a local number with the global number that it begins with.
  return readNumber(digits.startsWith('+') ? digits : context + digits, plan);
}

/** ITU-T E.164 s6.2.1: 15 digits, the first of a country. Shorter ones than 7 are none that a line has. */
export function isE164(number: string): boolean {
  return /^\+[1-9][0-9]{6,14}$/.test(number);
}

/**
 * A number that a member can have for a name.
 * @returns E.164, or one that calls for help, with a country in front of it or not, which nobody can have; undefined: no number of the world.
 */
export function assignableNumber(text: string, plan: NumberPlan): DialledNumber | undefined {
  const read = readNumber(text.replace(/^tel:/i, ''), plan);
  if (read === undefined) return undefined;
  const parsed = parsePhoneNumberFromString(read.number);
  const emergency = plan.emergency ?? DEFAULT_EMERGENCY_NUMBERS;
  const isEmergency = read.isEmergency || (parsed !== undefined && emergency.includes(parsed.nationalNumber));
  return isEmergency || (isE164(read.number) && parsed?.isPossible() === true)
    ? { number: read.number, isEmergency }
    : undefined;
}

/** @param text as it was dialled or written: `030 123456`, `+49-30-123456` */
export function readNumber(text: string, { country, emergency }: NumberPlan): DialledNumber | undefined {
  const digits = (text.split(';')[0] ?? '').replaceAll(SEPARATORS, '');
  if (digits.length > MAX_DIGITS || !/^\+?[0-9*#]{2,}$/.test(digits) || !/[0-9]/.test(digits)) return undefined;
  if ((emergency ?? DEFAULT_EMERGENCY_NUMBERS).includes(digits)) return { number: digits, isEmergency: true };
  const known = country !== undefined && isCountry(country) ? country : undefined;
  const parsed = /[*#]/.test(digits) ? undefined : parsePhoneNumberFromString(digits, known);
  return { number: parsed?.isPossible() === true ? parsed.number : digits, isEmergency: false };
}
