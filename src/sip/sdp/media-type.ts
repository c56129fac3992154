import { trimSpace } from '../message/headers.ts';
import { parseParams, unquote } from '../message/params.ts';

/** A value of Content-Type, in lower case but for its parameters' values. */
export interface MediaType {
  readonly type: string;
  readonly params: ReadonlyMap<string, string>;
}

/** @returns undefined for what is none. */
export function parseMediaType(value: string): MediaType | undefined {
  const semicolon = value.indexOf(';');
  const params = parseParams(semicolon === -1 ? '' : value.slice(semicolon));
  const type = trimSpace(semicolon === -1 ? value : value.slice(0, semicolon)).toLowerCase();
  if (params === undefined || !/^[^\s/]+\/[^\s/]+$/.test(type)) return undefined;
  return { type, params: new Map([...params].map(([name, text]) => [name, unquote(text)])) };
}
