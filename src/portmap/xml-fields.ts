import { SaxesParser } from 'saxes';
import { MalformedMessageError, messageOf } from '../base/errors.ts';
import { MAX_DOCUMENT_BYTES } from './constants.ts';

const MAX_DEPTH = 24;
const MAX_ELEMENTS = 4_000;

export interface XmlField {
  /** Names of the elements around it and its own, without namespaces' prefixes: routers are careless with those. */
  readonly path: readonly string[];
  /** Trimmed. */
  readonly text: string;
}

/**
 * The elements of a hostile document in the order in which they end: at most 32 KiB, no document type (hence no entities but the
 * five of XML), bounded depth and number.
 * @throws {MalformedMessageError}
 */
export function readXmlFields(bytes: Uint8Array): XmlField[] {
  if (bytes.length > MAX_DOCUMENT_BYTES)
    throw new MalformedMessageError(MAX_DOCUMENT_BYTES, `a document of ${bytes.length} bytes`);
  const parser = new SaxesParser();
  const fail = (reason: string): never => {
    throw new MalformedMessageError(parser.position, reason);
  };
  const open: { name: string; text: string }[] = [];
  const fields: XmlField[] = [];
  const addText = (text: string): void => {
    const element = open.at(-1);
    if (element !== undefined) element.text += text;
  };
  let elements = 0;
  parser.on('error', (error) => fail(messageOf(error)));
  parser.on('doctype', () => fail('a document type is not allowed'));
  parser.on('opentag', ({ name }) => {
    elements += 1;
    if (elements > MAX_ELEMENTS || open.length >= MAX_DEPTH) fail('too many elements');
    open.push({ name: name.slice(name.lastIndexOf(':') + 1), text: '' });
  });
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    const path = open.map((element) => element.name);
    const text = open.pop()?.text.trim() ?? '';
    fields.push({ path, text });
  });
  parser.write(mended(Buffer.from(bytes).toString('utf8'))).close();
  return fields;
}

/** What routers do: a zero byte at the end, and an ampersand in the name of the device as it is. */
function mended(document: string): string {
  let end = document.length;
  while (end > 0 && document.charCodeAt(end - 1) === 0) end -= 1;
  return document
    .slice(0, end)
    .trim()
    .replace(/&(?!#?\w{1,8};)/g, '&amp;');
}
