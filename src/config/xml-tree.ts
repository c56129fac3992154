import { SaxesParser } from 'saxes';
import { messageOf } from '../base/errors.ts';
import { OverlayConfigurationError } from './errors.ts';

/** A configuration with a hundred Kinds has about 40 KiB. */
const MAX_DOCUMENT_BYTES = 65_536;
const MAX_DEPTH = 8;
const MAX_ELEMENTS = 2000;

export interface XmlElement {
  /** Namespace; empty: none. */
  readonly namespace: string;
  readonly name: string;
  /** Those without a namespace. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Its own text, without that of its children, trimmed. */
  readonly text: string;
  /** The element in the document, from its first `<` to its last `>`, as it stands. */
  readonly source: string;
}

interface OpenElement {
  namespace: string;
  name: string;
  attributes: Map<string, string>;
  children: XmlElement[];
  text: string;
  readonly start: number;
}

/**
 * Reads hostile XML: UTF-8, at most 64 KiB, no document type (hence no entities but the five of XML), bounded depth.
 * @throws {OverlayConfigurationError} with line and column.
 */
export function parseXml(bytes: Uint8Array): XmlElement {
  if (bytes.length > MAX_DOCUMENT_BYTES)
    throw new OverlayConfigurationError(`the document has ${bytes.length} bytes, more than ${MAX_DOCUMENT_BYTES}`);
  let document: string;
  try {
    document = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new OverlayConfigurationError('the document is not UTF-8', { cause });
  }
  const parser = new SaxesParser({ xmlns: true });
  const open: OpenElement[] = [];
  let elements = 0;
  let root: XmlElement | undefined;
  const refuse = (reason: string): never => {
    throw new OverlayConfigurationError(`line ${parser.line}, column ${parser.column}: ${reason}`);
  };
  parser.on('error', (error) => {
    throw new OverlayConfigurationError(messageOf(error).replace(/^undefined:/, 'line '), { cause: error });
  });
  parser.on('doctype', () => refuse('a document type is not allowed'));
  parser.on('opentagstart', ({ name }) => {
    elements += 1;
    if (elements > MAX_ELEMENTS || open.length >= MAX_DEPTH) refuse('too many elements');
    // Between a tag's `<` and the parser's position there is only its name.
    const start = document.lastIndexOf('<', parser.position - 1);
    open.push({ namespace: '', name, attributes: new Map(), children: [], text: '', start });
  });
  parser.on('opentag', (tag) => {
    const element = open.at(-1);
    if (element === undefined) return;
    element.namespace = tag.uri;
    element.name = tag.local;
    for (const { uri, local, value } of Object.values(tag.attributes))
      if (uri === '') element.attributes.set(local, value);
  });
  const addText = (text: string): void => {
    const element = open.at(-1);
    if (element !== undefined) element.text += text;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    const element = open.pop();
    if (element === undefined) return;
    const { start, ...rest } = element;
    const closed = { ...rest, text: element.text.trim(), source: document.slice(start, parser.position) };
    const parent = open.at(-1);
    if (parent === undefined) root = closed;
    else parent.children.push(closed);
  });
  parser.write(document).close();
  return root ?? refuse('there is no element');
}

/** For text between tags and in attributes. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
