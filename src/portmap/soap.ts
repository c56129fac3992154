import type { HttpRequest } from './attempt.ts';
import type { ConnectionService } from './device-description.ts';
import { readXmlFields } from './xml-fields.ts';

/** UPnP Device Architecture s3.2. @param args in the order of the service's description: some routers count on it. */
export function encodeAction(
  { type, controlUrl }: ConnectionService,
  action: string,
  args: Readonly<Record<string, string | number>>,
): HttpRequest {
  const fields = Object.entries(args).map(([name, value]) => `<${name}>${value}</${name}>`);
  const body =
    '<?xml version="1.0"?>\r\n' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">' +
    `<s:Body><u:${action} xmlns:u="${type}">${fields.join('')}</u:${action}></s:Body></s:Envelope>\r\n`;
  return {
    method: 'POST',
    url: controlUrl,
    headers: { 'Content-Type': 'text/xml; charset="utf-8"', SOAPAction: `"${type}#${action}"` },
    body,
  };
}

export type ActionAnswer =
  | { readonly ok: true; readonly values: ReadonlyMap<string, string> }
  /** `code`: UPnP's error code; undefined: an answer that is none of UPnP's. */
  | { readonly ok: false; readonly code: number | undefined; readonly why: string };

/** s3.2.2, s3.2.5. @throws {MalformedMessageError} */
export function decodeActionAnswer(action: string, status: number, body: Uint8Array): ActionAnswer {
  if (status !== 200 && status !== 500) return { ok: false, code: undefined, why: `HTTP status ${status}` };
  const values = new Map<string, string>();
  let answered = false;
  let code: number | undefined;
  let description = '';
  for (const { path, text } of readXmlFields(body)) {
    const [parent, name = ''] = path.slice(-2);
    if (parent === `${action}Response`) values.set(name, text);
    if (name === `${action}Response`) answered = true;
    if (parent === 'UPnPError' && name === 'errorCode' && /^\d{1,6}$/.test(text)) code = Number(text);
    if (parent === 'UPnPError' && name === 'errorDescription') description = text;
  }
  if (answered && status === 200) return { ok: true, values };
  return { ok: false, code, why: code === undefined ? `HTTP status ${status}` : nameOf(code, description) };
}

/** What the router calls it may be anything: it goes into a log. */
function nameOf(code: number, description: string): string {
  const words = description.replace(/[^\x20-\x7e]/g, '').slice(0, 60);
  return words === '' ? `error ${code}` : `error ${code} (${words})`;
}
