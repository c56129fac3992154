import type { SipFlow } from '../flow.ts';
import { type Binding, isOf } from './binding.ts';
import { MAX_BINDINGS, MAX_EXPIRES_S, MIN_EXPIRES_S } from './constants.ts';
import type { ContactField } from './contact-field.ts';
import { badRequest, type Refusal, type RegisterRequest } from './register-request.ts';

/** s10.3 has "the update MUST be aborted and the request fails" for what is older than what was heard. */
const OUT_OF_ORDER: Refusal = { status: 500, reason: 'CSeq Is Not Higher Than Before' };
const TOO_MANY: Refusal = { status: 503, reason: 'Too Many Phones' };

export interface ChangeContext {
  readonly flow: SipFlow;
  readonly now: number;
  /** RFC 5626 applies: the phone asks for it, and the flow is one that is kept. */
  readonly isOutbound: boolean;
  /** For a phone that was not there before. */
  readonly newGruuKey: () => Uint8Array;
}

/** RFC 3261 s10.3, steps 6 and 7: the bindings as they are afterwards, or none of it. */
export function changed(
  before: readonly Binding[],
  { changes, callId, cseq }: RegisterRequest,
  context: ChangeContext,
): readonly Binding[] | Refusal {
  const isOld = (binding: Binding | undefined): boolean => binding?.callId === callId && cseq <= binding.cseq;
  if (changes.type === 'none') return before;
  if (changes.type === 'removeAll') return before.some(isOld) ? OUT_OF_ORDER : [];
  // RFC 5626 s6: such a request registers one phone over one flow.
  const added = changes.contacts.filter(({ expiresS }) => expiresS > 0);
  if (context.isOutbound && added.length > 1 && added.some(({ regId }) => regId !== undefined))
    return badRequest('One Contact With reg-id At a Time');
  let bindings = [...before];
  for (const contact of changes.contacts) {
    const isOutbound = context.isOutbound && contact.regId !== undefined;
    const known = bindings.find((binding) => isOf(binding, contact, isOutbound));
    if (isOld(known)) return OUT_OF_ORDER;
    bindings = bindings.filter((binding) => !isOf(binding, contact, isOutbound));
    if (contact.expiresS > 0) bindings.push(bindingOf(contact, { callId, cseq, isOutbound, known }, context));
  }
  return bindings.length > MAX_BINDINGS ? TOO_MANY : bindings;
}

function bindingOf(
  contact: ContactField,
  by: {
    readonly callId: string;
    readonly cseq: number;
    readonly isOutbound: boolean;
    readonly known: Binding | undefined;
  },
  { flow, now, newGruuKey }: ChangeContext,
): Binding {
  const { callId, cseq, isOutbound, known } = by;
  const { text, uri, q, instance, regId, methods } = contact;
  const expiresS = Math.min(Math.max(contact.expiresS, MIN_EXPIRES_S), MAX_EXPIRES_S);
  const isSamePhone = known?.callId === callId && known.instance === instance;
  return {
    ...{ contact: text, uri, flow, callId, cseq, q, instance, methods },
    isFlowOpen: true,
    expiresAt: now + expiresS * 1000,
    updatedAt: now,
    regId: isOutbound ? regId : undefined,
    gruuKey: isSamePhone ? known.gruuKey : newGruuKey(),
  };
}
