import type { ResourceId } from '../../base/node-id.ts';
import { type DataModel, type GenericCertificate, type StoredData, dataSignatureInput } from '../../reload/index.ts';
import type { Signing } from '../security/signing.ts';
import { type Places, mayWrite } from './access.ts';
import type { SignedValue } from './admission.ts';
import type { Kind } from './kinds.ts';

/** Knows the Kinds of the overlay, and which values of them are proven (RFC 6940 s7.1, s7.3). */
export class ValueVerifier {
  private readonly places: Places;
  private readonly signing: Signing;
  private kinds: ReadonlyMap<number, Kind> = new Map();

  constructor(components: { places: Places; signing: Signing; kinds: readonly Kind[] }) {
    this.places = components.places;
    this.signing = components.signing;
    this.setKinds(components.kinds);
  }

  /** The overlay's configuration is another. What is stored of a Kind that it does not name any more ends when it expires. */
  setKinds(kinds: readonly Kind[]): void {
    this.kinds = new Map(kinds.map((kind) => [kind.id, kind]));
  }

  kind(id: number): Kind | undefined {
    return this.kinds.get(id);
  }

  readonly dataModelOf = (kind: number): DataModel | undefined => this.kinds.get(kind)?.dataModel;

  /** @returns undefined when the value is not signed by somebody who may write it there */
  verify(
    resource: ResourceId,
    kind: Kind,
    data: StoredData,
    bucket: readonly GenericCertificate[],
    wallNow: number,
  ): SignedValue | undefined {
    const signer = this.signing.openValue(
      data.signature,
      (identity) => dataSignatureInput(resource, kind.id, data.storageTime, data.value, identity),
      bucket,
      wallNow,
    );
    return signer !== undefined && mayWrite(this.places, kind, resource, data.value, signer)
      ? { data, signer }
      : undefined;
  }
}
