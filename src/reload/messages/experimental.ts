export type ExperimentalName = 'exp_a_req' | 'exp_a_ans' | 'exp_b_req' | 'exp_b_ans';

/** RFC 6940 s14.8, exp_a and exp_b: "For the purposes of experimentation"; the body is whatever the experiment says. */
export interface ExperimentalBody {
  readonly type: ExperimentalName;
  readonly bytes: Uint8Array;
}
