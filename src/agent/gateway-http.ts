import type { HttpRequest } from '../portmap/attempt.ts';
import { HTTP_LIMIT_MS, MAX_DOCUMENT_BYTES } from '../portmap/constants.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

/**
 * One request to a router: a connection of its own, no redirects, at most 32 KiB and 4 s.
 * @param localAddress the one that the router knows us by.
 * @throws {Error} when there is no whole answer.
 */
export async function requestOfGateway(
  { method, url, headers, body }: HttpRequest,
  localAddress: string,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  // Few networks have such a router, and everyone would load an HTTP client.
  const { request: httpRequest } = await import('node:http');
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, {
      ...{ method, localAddress, agent: false, headers: { ...headers, Connection: 'close' } },
      signal: AbortSignal.any([signal, AbortSignal.timeout(HTTP_LIMIT_MS)]),
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_DOCUMENT_BYTES) request.destroy(new Error(`more than ${MAX_DOCUMENT_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
      response.on('close', () => {
        if (!response.complete) reject(new Error('the answer was cut off'));
      });
    });
    request.end(body);
  });
}
